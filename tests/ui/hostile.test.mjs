// Texts that want to be more than texts, in every field that somebody else can fill.

import { after, before, test } from 'node:test';
import { KEY, PAGES, Server, assert, launch, open, signIn } from './harness.mjs';

const TRIES = [
  '<script>window.__x=1</script>', '"><script>window.__x=1</script>', "'><svg onload=window.__x=1>", '<img src=x onerror=window.__x=1>',
  '</textarea><script>window.__x=1</script>', '</title><script>window.__x=1</script>', 'javascript:window.__x=1', '{{7*7}}${7*7}<%=7*7%>',
  '<a href="javascript:window.__x=1">x</a>', '<iframe srcdoc="<script>parent.__x=1</script>">', '<style>@import "//evil.example"</style>',
  '<meta http-equiv=refresh content="0;url=//evil.example">', '<base href=//evil.example>', '<form action=//evil.example><button>x',
  '" autofocus onfocus=window.__x=1 x="', "' onmouseover='window.__x=1", '<!--', ']]>', '<details open ontoggle=window.__x=1>',
  '\u202etxt.exe', 'a\u200bb', '\u{e0041}', '&lt;script&gt;', '&#60;script&#62;window.__x=1', '<math><mtext></form><form><mglyph><style></math><img src onerror=window.__x=1>',
];
/** Each of them as it is, and in disguises. */
const strings = TRIES.flatMap((text) => [
  text, text.toUpperCase(), `x ${text}`, text.replaceAll('<', '<\u0000').replaceAll('\u0000', ' '), encodeURIComponent(text), `${text}${text}`,
  text.replaceAll('"', '\\"'), text.replaceAll(' ', '/'), `\`${text}\``, `[x](${text})`, text.replaceAll('<', '\u02c2<'), `${text}\u2028x`,
]);
/** What no text of a page may become. */
const FOREIGN = 'main script, main iframe, main style, main img, main base, main meta';

let server;
let browser;
before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('no text becomes anything else', { timeout: 900_000 }, async () => {
  assert.ok(strings.length >= 300, `${strings.length} strings`);
  const ids = [];
  const plain = (text, most) => text.replace(/\p{Cc}/gu, ' ').slice(0, most).trim() || 'x';
  for (const text of strings) {
    const name = plain(text, 60);
    ids.push(await server.add(`${text} ${ids.length}`, { title: name, tags: [name.replaceAll(',', ' ')], project: name, category: name, metadata: { [name]: text } }));
  }
  // Versions that differ, what lies in the trash, names of a graph, of users, of programs and of tokens.
  for (const id of ids.slice(0, 60)) await server.call('PATCH', `/api/v1/memories/${id}`, { content: `${strings[60]} ${id}`, title: 'x' });
  for (const id of ids.slice(60, 90)) await server.call('DELETE', `/api/v1/memories/${id}`);
  for (const text of TRIES) {
    const agent = plain(text, 60).replace(/[^\x20-\x7e]/g, '') || 'x';
    const headers = { 'X-API-Key': KEY, 'User-Agent': agent };
    await server.add(`${text}\nthing`, { kind: 'entity' });
    await server.add(`of a user ${text}`, { user_id: plain(text, 60) });
    await server.call('POST', '/admin/tokens', { name: plain(text, 60), project: plain(text, 60) });
    await fetch(`${server.url}/api/v1/search?query=${encodeURIComponent(text)}`, { headers });
    const written = await fetch(`${server.url}/api/v1/memories`, {
      method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify({ content: `by a program ${text}` }),
    });
    assert.equal(written.status, 201);
  }
  const { context, page, faults } = await open(browser, server);
  await signIn(page, server);
  const places = [...PAGES, ...ids.map((id) => `/ui/memories/${id}`), ...ids.slice(0, 30).map((id) => `/ui/memories/${id}/edit`)];
  for (const text of TRIES) places.push(...['search?q', 'memories?project', 'memories?client', 'graph?name', 'activity?client'].map((what) => `/ui/${what}=${encodeURIComponent(text)}`));
  for (const place of places) {
    await page.goto(server.url + place, { waitUntil: 'load' });
    assert.equal(await page.evaluate(() => window.__x ?? null), null, `a script ran on ${place}`);
    assert.equal(await page.locator(FOREIGN).count(), 0, place);
    assert.deepEqual(faults, [], place);
  }
  // What somebody typed himself comes back as it was, on the page of a trial and on that of a look at a user.
  await page.goto(`${server.url}/ui/transfer`);
  await page.fill('#content', TRIES.map((text) => JSON.stringify({ content: text, title: plain(text, 60) })).join('\n') + `\n${TRIES[0]}`);
  await page.click('text=See what would be imported');
  await page.waitForSelector('text=Nothing is changed yet');
  assert.equal(await page.locator(FOREIGN).count(), 0);
  await page.goto(`${server.url}/ui/users`);
  await page.locator('button', { hasText: 'Look' }).first().click();
  await page.waitForSelector('section.banner');
  assert.equal(await page.evaluate(() => window.__x ?? null), null);
  assert.deepEqual(faults, []);
  const wrong = await context.newPage();
  await wrong.goto(`${server.url}/ui/login?next=${encodeURIComponent('//evil.example')}`);
  assert.ok(wrong.url().startsWith(server.url));
  await context.close();
});
