"""Frames of a journal, as docs/FORMAT.md has them: what the files that are left prove, whoever can read the values."""

import dataclasses

import common

# First bytes of keys: of a user's memories, histories and uses; of the system's users, keys of the store, members.
OF_MEMORIES, USER, STORE_KEY, MEMBER = (1, 2, 3), 1, 4, 5
# Bytes before what is in a frame, and what stands in the place of its seq where nothing follows in its file.
HEAD, END = 24, b"\xff" * 8
# What a frame settles beside ids of memories, names of users, and numbers of users that are members.
KEY_OF_STORE = "the key of the store"


@dataclasses.dataclass
class Frame:
    """Some bytes of a file of the journal, and the memories, users and keys of which it says the last word."""

    header: tuple
    offset: int
    content: bytes
    # Of a killed store: whether its last checkpoint knows of it.
    is_synced: bool = False
    settles: set = dataclasses.field(default_factory=set)

    def ops(self):
        """Session, key and value of each operation; no value where the key is removed. The frame at the end of a file has none."""
        return [] if self.content[8:16] == END else ops_of(self.content[HEAD:])


def read_frames(journal):
    frames, newest = [], {}
    # A snapshot comes before what is newer than it.
    for path in sorted(journal.glob("*.log"), key=lambda path: (not path.name.startswith("snapshot"), path.name)):
        content = path.read_bytes()
        first = first_frame(content)
        if first is None:
            raise RuntimeError(f"the frames of {path.name} are not as docs/FORMAT.md says")
        header = (content[:first // 2], content[first // 2:first])
        for offset, size in walk_frames(content, first):
            frame = Frame(header, offset, content[offset:offset + size])
            frames.append(frame)
            newest.update({(session, key): (frame, value) for session, key, value in frame.ops()})
    for (session, key), (frame, value) in newest.items():
        frame.settles |= settled_by(session, key, value)
    return frames


def settled_by(session, key, value):
    """What is known of from the last operation on a key."""
    if session:
        return {id_of(key[1:17])} if key[0] in OF_MEMORIES else set()
    if key[0] == USER:
        return {key[3:].decode()}
    if key[0] == STORE_KEY:
        return {KEY_OF_STORE}
    return {member_number(value)} if key[0] == MEMBER and value else set()


def first_frame(content):
    """Behind two equal headers, of whatever size, frames follow without gaps up to nothing but zeros."""
    for first in (128, *range(64, 1024, 8)):
        frames = list(walk_frames(content, first)) if content[:first // 2] == content[first // 2:first] else []
        if frames and not content[sum(frames[-1]):].strip(b"\0"):
            return first
    return None


def walk_frames(content, offset):
    while length := int.from_bytes(content[offset:offset + 4], "little"):
        if offset + HEAD + length > len(content):
            return
        yield offset, HEAD + length
        offset += HEAD + length


def ops_of(payload):
    at = 0
    while at < len(payload):
        session, length = int.from_bytes(payload[at + 1:at + 5], "little"), int.from_bytes(payload[at + 5:at + 7], "little")
        is_put = payload[at] == 1
        key_at = at + 7 + 4 * is_put
        end = key_at + length + is_put * int.from_bytes(payload[at + 7:at + 11], "little")
        yield session, payload[key_at:key_at + length], payload[key_at + length:end] if is_put else None
        at = end


def seats_of(frames):
    """The number of the session in which each memory is."""
    return {id_of(key[1:17]): session for frame in frames for session, key, _ in frame.ops() if session and key[0] in OF_MEMORIES}


def key_records(frames):
    """What opens an encrypted store and what its users have: every such record that the frames hold, old ones as well."""
    return {value for frame in frames for session, key, value in frame.ops()
            if not session and key[0] in (STORE_KEY, MEMBER) and value}


def member_number(value):
    """The session of a member: behind version and checksum."""
    return int.from_bytes(value[5:9], "little")


def id_of(key):
    return common.ulid(int.from_bytes(key, "big"))


def lost_frames(frames, journal):
    """Those that none of the files of a journal holds any more, whatever these are called."""
    contents = [path.read_bytes() for path in journal.glob("*.log") if path.is_file()] if journal.is_dir() else []

    def is_held(frame):
        half, end = len(frame.header[0]), frame.offset + len(frame.content)
        return any(frame.content == content[frame.offset:end]
                   and (frame.header[0] == content[:half] or frame.header[1] == content[half:2 * half]) for content in contents)

    return [frame for frame in frames if not is_held(frame)]
