class Memoryd < Formula
  desc "Memory server for AI assistants: one binary, embedded storage"
  homepage "https://github.com/@OWNER@/memoryd"
  version "@VERSION@"
  license "@LICENSE@"

  on_linux do
    on_intel do
      url "https://github.com/@OWNER@/memoryd/releases/download/v@VERSION@/memoryd-@VERSION@-linux-amd64.tar.gz"
      sha256 "@SHA256_AMD64@"
    end
    on_arm do
      url "https://github.com/@OWNER@/memoryd/releases/download/v@VERSION@/memoryd-@VERSION@-linux-arm64.tar.gz"
      sha256 "@SHA256_ARM64@"
    end
  end

  # There is no signed binary for macOS: it is built there.
  on_macos do
    url "https://github.com/@OWNER@/memoryd/releases/download/v@VERSION@/memoryd-@VERSION@-source.tar.gz"
    sha256 "@SHA256_SOURCE@"
    depends_on "rust" => :build
  end

  def install
    if OS.mac?
      system "cargo", "install", *std_cargo_args
    else
      bin.install "memoryd"
      man1.install "memoryd.1"
    end
    generate_completions_from_executable(bin/"memoryd", "completions")
  end

  service do
    run [opt_bin/"memoryd", "serve", "--data-dir", var/"memoryd"]
    keep_alive true
    working_dir var
    log_path var/"log/memoryd.log"
    error_log_path var/"log/memoryd.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/memoryd --version")
  end
end
