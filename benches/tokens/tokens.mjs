// What a model pays for the answers of a memory server, counted with a real tokenizer and held against the goals.
//
//   node benches/tokens/tokens.mjs --bin target/release/memoryd --modules target/tokens
//
// The tokenizer is o200k_base: that of Claude is not published. Some clients give a model the text of an answer, others
// its structured content, so both are counted; what is judged is the whole result as it comes over the wire. No figure
// fails the run.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const KEY = 'tokens-key-0123456789abcdef0123456789';
const BUDGET = 1_500;
const { values: wanted } = parseArgs({
  options: {
    bin: { type: 'string', default: 'target/release/memoryd' },
    modules: { type: 'string', default: 'target/tokens' },
  },
});
const { countTokens } = createRequire(path.resolve(wanted.modules, 'package.json'))('gpt-tokenizer/encoding/o200k_base');

// Short ones that share words, as those of one person do: a question for the project finds all ten.
const SHORT = [
  'The Atlas project deploys every Tuesday at 10:00 from the main branch.',
  'Atlas uses PostgreSQL 17; the password lives in the vault under atlas/db.',
  'Maria Jensen reviews every change to the Atlas billing code.',
  'The Atlas staging server is reachable over the office VPN only.',
  'We decided against GraphQL for Atlas because the mobile team prefers REST.',
  'Atlas releases are tagged v2026.MM.patch and signed by the release manager.',
  'Integration tests of Atlas take nine minutes and run on two runners.',
  'The Atlas dashboard shows times in UTC, never in local time.',
  'Invoices from Atlas go out on the first working day of the month.',
  'Farid is on call for Atlas during the summer holidays.',
];
const LONG = (n) => `Note ${n} on Atlas. ` + SHORT.map((text, at) => `${text} (${n * 10 + at})`).join(' ');

const tokens = (value) => countTokens(typeof value === 'string' ? value : JSON.stringify(value));

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/** Starts a server on an empty folder, gives it to `use`, and leaves neither of them. */
async function withServer(use) {
  const home = await mkdtemp(path.join(os.tmpdir(), 'memoryd-tokens-'));
  const port = await freePort();
  const server = spawn(path.resolve(wanted.bin), ['serve'], {
    cwd: home,
    env: { PATH: process.env.PATH, HOME: home, DATA_DIR: path.join(home, 'data'), PORT: String(port), MCP_API_KEY: KEY,
      RATE_LIMIT_REQUESTS: '0', LOG_LEVEL: 'error' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(server, 'exit');
  try {
    await ready(server, `http://127.0.0.1:${port}`);
    return await use((method, params) => ask(`http://127.0.0.1:${port}/mcp`, method, params));
  } finally {
    server.kill('SIGTERM');
    await ended;
    await rm(home, { recursive: true });
  }
}

async function ready(server, address) {
  for (const end = Date.now() + 30_000; Date.now() < end; await wait(20)) {
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}`);
    // Nobody listens yet, which the next turn asks again.
    const answer = await fetch(`${address}/health`).catch(() => null);
    if (answer?.ok) return;
  }
  throw new Error('the server did not answer within 30 s');
}

async function ask(address, method, params) {
  const answer = await fetch(address, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', 'X-API-Key': KEY },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const body = await answer.text();
  const { result } = JSON.parse(body.startsWith('{') ? body : body.match(/^data: (\{.*)$/m)?.[1] ?? '{}');
  if (!result || result.isError) throw new Error(`${method} was answered ${answer.status}: ${body.slice(0, 400)}`);
  return result;
}

function row(what, result, goal, told = `< ${goal}`) {
  const text = result.content?.map((block) => block.text ?? '').join('\n');
  const whole = tokens(result);
  const count = (value) => (value === undefined ? '' : String(tokens(value)));
  return [what, count(text), count(result.structuredContent), String(whole), told, whole < goal ? 'yes' : 'no'];
}

const lines = await withServer(async (rpc) => {
  const call = (name, args) => rpc('tools/call', { name, arguments: args });
  const list = row('tools/list, core', await rpc('tools/list', {}), 3_500);
  for (const content of SHORT.slice(1)) await call('add_memory', { content });
  const add = row('add_memory, a short text', await call('add_memory', { content: SHORT[0] }), 150);
  const found = await call('search_memories', { query: 'Atlas' });
  const hits = found.structuredContent.results.length;
  if (hits !== SHORT.length) throw new Error(`${SHORT.length} memories were to be found, and ${hits} were`);
  const search = row('search_memories, ten short ones', found, 900);
  for (let n = 0; n < 40; n += 1) await call('add_memory', { content: LONG(n), pinned: n % 4 === 0 });
  const full = await call('get_context', { query: 'Atlas', max_tokens: BUDGET });
  return [list, add, search, row(`get_context, max_tokens ${BUDGET}`, full, BUDGET + 1, `<= ${BUDGET}`)];
});

const titles = ['tokens (o200k_base)', 'text', 'structured', 'whole result', 'goal', 'met'];
const widths = titles.map((title, at) => Math.max(title.length, ...lines.map((line) => line[at].length)));
const print = (cells) => console.log(`| ${cells.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`);
print(titles);
print(widths.map((width) => '-'.repeat(width)));
lines.forEach(print);
