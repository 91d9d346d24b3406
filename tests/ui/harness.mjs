// A real server with data of its own, and the system's Chromium to look at it.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');
const require = createRequire(path.join(process.env.MEMORYD_UI_NPM ?? path.join(root, 'target/ui-npm'), 'package.json'));
const { chromium } = require('playwright-core');
const { AxeBuilder } = require('@axe-core/playwright');

export const KEY = 'browser-test-key-0123456789abcdef0123456789';
export const SHOTS = path.join(root, 'target/ui');
const BINARY = path.resolve(process.env.MEMORYD_BIN ?? path.join(root, 'target/release/memoryd'));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  // A name that is not of this machine leads nowhere.
  '--disable-component-update', '--disable-sync',
  '--host-resolver-rules=MAP pi.lan 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];
// The example of RFC 7636.
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';

export const PAGES = [
  '/ui/', '/ui/memories', '/ui/memories?view=timeline', '/ui/graph', '/ui/search?q=garden', '/ui/new', '/ui/inbox', '/ui/trash', '/ui/tags', '/ui/instructions', '/ui/unused',
  '/ui/activity', '/ui/activity/undo?credential=default', '/ui/clients', '/ui/users', '/ui/transfer?imports=true', '/ui/health', '/ui/help', '/ui/confirm',
  '/ui/memories?status=deleted', '/ui/graph?name=Ada',
];

export class Server {
  static async start(env = {}) {
    return new Server().begin(env);
  }

  /** One that speaks HTTPS, and so HTTP/2, with a certificate that nobody knows. */
  static async encrypted(env = {}) {
    const server = new Server();
    const made = { cwd: server.dir, env: { PATH: process.env.PATH, HOME: server.dir }, stdio: 'ignore' };
    execFileSync(BINARY, ['certs'], made);
    const [cert, key] = ['server.pem', 'server-key.pem'].map((name) => path.join(server.dir, 'certs', name));
    await server.begin({ USE_HTTPS: 'true', SSL_CERT_PATH: cert, SSL_KEY_PATH: key, ...env });
    server.url = server.url.replace('http:', 'https:');
    return server;
  }

  constructor() {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'memoryd-ui-'));
  }

  async begin(env) {
    const data = path.join(this.dir, 'data');
    this.child = spawn(BINARY, ['serve'], {
      cwd: this.dir,
      env: {
        PATH: process.env.PATH, HOME: this.dir, HOST: '127.0.0.1', PORT: '0', DATA_DIR: data, MCP_API_KEY: KEY,
        RATE_LIMIT_REQUESTS: '0', EMBEDDING_BUILTIN: 'table', TRUSTED_HOSTS: 'pi.lan,localhost,127.0.0.1', ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    this.child.stderr.on('data', (text) => { log += text; });
    const file = path.join(data, '.mcp_server');
    const until = Date.now() + 30_000;
    while (!fs.existsSync(file)) {
      assert.ok(this.child.exitCode === null && Date.now() < until, `the server did not start: ${log}`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
    this.port = JSON.parse(fs.readFileSync(file, 'utf8')).port;
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  /** One with OAuth, whose public name is the address at which it listens. */
  static async outside(env = {}) {
    // The name has to be known before the server has a port.
    const probe = net.createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address();
    probe.close();
    await once(probe, 'close');
    return Server.start({ PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}`, OAUTH_ENABLED: 'true', ...env });
  }

  /** Registers a client, and returns its id. */
  async register(name, redirects) {
    const answer = await fetch(`${this.url}/register`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ client_name: name, redirect_uris: redirects }),
    });
    assert.equal(answer.status, 201);
    return (await answer.json()).client_id;
  }

  /** Where a client sends the browser of its user. */
  question(client, redirect) {
    const query = new URLSearchParams({
      response_type: 'code', client_id: client, redirect_uri: redirect, code_challenge: CHALLENGE, code_challenge_method: 'S256',
      state: 'a/b c',
    });
    return `${this.url}/authorize?${query}`;
  }

  async call(method, place, body) {
    const answer = await fetch(this.url + place, {
      method,
      headers: { 'X-API-Key': KEY, ...(body ? { 'Content-Type': 'application/json' } : {}) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${place}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  /** Takes a file of another product in, which nobody has confirmed. */
  async take(file) {
    const answer = await fetch(`${this.url}/api/v1/import?format=auto`, {
      method: 'POST', headers: { 'X-API-Key': KEY, 'Content-Type': 'application/octet-stream' }, body: file,
    });
    assert.equal(answer.status, 200, await answer.text());
  }

  async add(content, more = {}) {
    return (await this.call('POST', '/api/v1/memories', { content, ...more })).id;
  }

  /** Ends the program and starts it again on the same data, at the same address. */
  async restart(env = {}) {
    await this.end();
    await this.begin({ PORT: String(this.port), ...env });
  }

  async end() {
    this.child.kill('SIGTERM');
    if (this.child.exitCode === null) await once(this.child, 'exit');
  }

  async stop() {
    await this.end();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Something of everything that a page can show. */
export async function furnish(server) {
  const id = await server.add('The garden gate is painted blue.', { title: 'Gate', tags: ['home', 'garden'], project: 'house' });
  await server.call('PATCH', `/api/v1/memories/${id}`, { content: 'The garden gate is painted **green** now.\n\n- by [Ada](https://example.com/ada)\n', pinned: true });
  for (let n = 0; n < 60; n += 1) await server.add(`Note ${n} on the garden and its ${n} trees`, { kind: n % 2 ? 'fact' : 'note' });
  const gone = await server.add('This one is thrown away.');
  await server.call('DELETE', `/api/v1/memories/${gone}`);
  await server.add('Answer in short sentences.', { kind: 'instruction' });
  await server.add('Ada\nperson\n- paints gates', { kind: 'entity' });
  await server.add('Ada\npaints\nthe gate', { kind: 'relation' });
  await server.add('the gate\nthing', { kind: 'entity' });
  await server.add('Of somebody else.', { user_id: 'ben' });
  await server.call('POST', '/admin/tokens', { name: 'laptop' });
  await server.take('{"results": [{"id": "m1", "memory": "likes green tea", "created_at": "2024-07-01T10:00:00Z"}]}');
  await server.call('GET', '/api/v1/search?query=garden');
  return id;
}

export async function launch() {
  fs.mkdirSync(SHOTS, { recursive: true });
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/**
 * A window of its own. Whatever a page in it must not do fails the test when it is closed at the latest. `foreign` are
 * beginnings of addresses that its pages may ask for besides those of the server.
 */
export async function open(browser, server, { foreign = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const faults = [];
  const own = [`${server.url}/`, `http://pi.lan:${server.port}/`, 'data:', ...foreign];
  context.on('request', (request) => {
    if (!own.some((beginning) => request.url().startsWith(beginning))) faults.push(`a request to ${request.url()}`);
  });
  context.on('page', (page) => watch(page, faults));
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`Content Security Policy: ${event.violatedDirective} held up ${event.blockedURI || 'something'}`);
    });
  });
  const close = context.close.bind(context);
  context.close = async () => {
    await close();
    assert.deepEqual(faults, []);
  };
  return { context, page: await context.newPage(), faults };
}

function watch(page, faults) {
  page.on('dialog', (dialog) => { faults.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('pageerror', (error) => faults.push(`a script failed: ${error.message}`));
  page.on('console', (line) => { if (/Content Security Policy|Trusted Type/i.test(line.text())) faults.push(line.text()); });
}

/** A site of somebody else on this machine: `pages` are what it has at each path. */
export async function site(pages) {
  const listener = http.createServer((request, answer) => {
    const page = pages[new URL(request.url, 'http://x').pathname];
    answer.writeHead(page ? 200 : 404, { 'Content-Type': 'text/html' });
    answer.end(page);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return { listener, port: listener.address().port };
}

export async function signIn(page, server, key = KEY) {
  await page.goto(`${server.url}/ui/login`);
  await page.fill('#credential', key);
  await page.click('#login button');
  await page.waitForURL((url) => !url.pathname.endsWith('/login'));
}

/** The answer that begins the stream of changes of a page that is about to be opened. */
export const streamOf = (page) => page.waitForResponse((answer) => answer.url().endsWith('/ui/events'));

/** Rules of axe that depend on colors and on the width of a window. */
const OF_LOOKS = ['color-contrast', 'link-in-text-block', 'target-size', 'scrollable-region-focusable'];

/** What axe finds: by all of its rules, or by those that are named. */
export async function axe(page, rules = null) {
  const builder = new AxeBuilder({ page });
  const { violations } = await (rules ? builder.withRules(rules) : builder).analyze();
  return violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(' | ')}`);
}

/** What axe finds in light and wide, and in dark and narrow, with a picture of each. */
export async function looked(page, name) {
  const found = [];
  for (const [colorScheme, width, rules] of [['light', 1280, null], ['dark', 360, OF_LOOKS]]) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme });
    found.push(...await axe(page, rules));
    const beyond = await sideways(page);
    if (beyond > 0) found.push(`it goes ${beyond} pixels beyond ${width}`);
    await page.screenshot({ path: path.join(SHOTS, `${name}-${colorScheme}-${width}.png`), fullPage: true });
  }
  return found.map((one) => `${name}: ${one}`);
}

/** By how many pixels a page is wider than its window. */
export const sideways = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** What is too small for a finger: all that is pressed on a narrow page, lower than 44 pixels. */
export const small = (page) => page.evaluate(() => {
  const pressed = 'button, .button, select, summary, .pick, nav a, input:not([type=hidden], [type=checkbox], [type=radio]), textarea';
  const shown = [...document.querySelectorAll(pressed)].map((one) => [one, one.getBoundingClientRect()]);
  return shown.filter(([, { height }]) => height > 0 && height < 43.5).map(([one, { height }]) => `${height} pixels: ${one.outerHTML.slice(0, 120)}`);
});

export { assert };
