// A real server with data of its own, and the system's Chromium to look at it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';

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
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP pi.lan 127.0.0.1',
];

export const PAGES = [
  '/ui/', '/ui/memories', '/ui/memories?view=timeline', '/ui/graph', '/ui/search?q=garden', '/ui/new', '/ui/inbox', '/ui/trash', '/ui/tags', '/ui/instructions', '/ui/unused',
  '/ui/activity', '/ui/activity/undo?credential=default', '/ui/clients', '/ui/transfer', '/ui/health', '/ui/help', '/ui/confirm',
];

export class Server {
  static async start(env = {}) {
    const server = new Server();
    server.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'memoryd-ui-'));
    const data = path.join(server.dir, 'data');
    server.child = spawn(BINARY, ['serve'], {
      cwd: server.dir,
      env: {
        PATH: process.env.PATH, HOME: server.dir, HOST: '127.0.0.1', PORT: '0', DATA_DIR: data, MCP_API_KEY: KEY,
        RATE_LIMIT_REQUESTS: '0', EMBEDDING_BUILTIN: 'table', TRUSTED_HOSTS: 'pi.lan,localhost,127.0.0.1', ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    server.child.stderr.on('data', (text) => { log += text; });
    const file = path.join(data, '.mcp_server');
    const until = Date.now() + 30_000;
    while (!fs.existsSync(file)) {
      assert.ok(server.child.exitCode === null && Date.now() < until, `the server did not start: ${log}`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
    server.port = JSON.parse(fs.readFileSync(file, 'utf8')).port;
    server.url = `http://127.0.0.1:${server.port}`;
    return server;
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

  async add(content, more = {}) {
    return (await this.call('POST', '/api/v1/memories', { content, ...more })).id;
  }

  async stop() {
    this.child.kill('SIGTERM');
    if (this.child.exitCode === null) await once(this.child, 'exit');
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Something of everything that a page can show. */
export async function furnish(server) {
  const id = await server.add('The garden gate is painted blue.', { title: 'Gate', tags: ['home', 'garden'], project: 'house' });
  await server.call('PATCH', `/api/v1/memories/${id}`, { content: 'The garden gate is painted green now.', pinned: true });
  for (let n = 0; n < 60; n += 1) await server.add(`Note ${n} on the garden and its ${n} trees`, { kind: n % 2 ? 'fact' : 'note' });
  const gone = await server.add('This one is thrown away.');
  await server.call('DELETE', `/api/v1/memories/${gone}`);
  await server.add('Answer in short sentences.', { kind: 'instruction' });
  await server.call('POST', '/admin/tokens', { name: 'laptop' });
  await server.call('GET', '/api/v1/search?query=garden');
  return id;
}

export async function launch() {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** A window of its own, which fails the test for whatever a page must not do. */
export async function open(browser, server, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  watch(page, server, faults);
  context.on('page', (other) => watch(other, server, faults));
  return { context, page, faults };
}

function watch(page, server, faults) {
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(server.url) && !url.startsWith('data:') && !url.startsWith(`http://pi.lan:${server.port}`)) faults.push(`a request to ${url}`);
  });
  page.on('dialog', (dialog) => { faults.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('pageerror', (error) => faults.push(`a script failed: ${error.message}`));
  page.on('console', (line) => { if (/Content Security Policy|Trusted Type/i.test(line.text())) faults.push(line.text()); });
}

export async function signIn(page, server, key = KEY) {
  await page.goto(`${server.url}/ui/login`);
  await page.fill('#credential', key);
  await page.click('#login button');
  await page.waitForURL((url) => !url.pathname.endsWith('/login'));
}

export async function axe(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(' | ')}`);
}

/** By how many pixels a page is wider than its window. */
export const sideways = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

export { assert };
