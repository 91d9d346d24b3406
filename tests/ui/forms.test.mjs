// The pages that only a form or a slip leads to, in light and wide and in dark and narrow: nothing that axe finds.

import { after, before, test } from 'node:test';
import { KEY, Server, assert, furnish, launch, looked, open, signIn } from './harness.mjs';

let server;
let browser;
let id;
before(async () => {
  server = await Server.outside();
  browser = await launch();
  id = await furnish(server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Opens the pages that `walk` yields the names of, and looks at each. */
async function look(key, walk) {
  const { context, page } = await open(browser, server);
  const found = [];
  if (key) await signIn(page, server, key);
  for await (const name of walk(page)) {
    assert.equal(await page.locator('h1').count(), 1, name);
    found.push(...await looked(page, name));
  }
  assert.deepEqual(found, []);
  await context.close();
}
const go = (page, place) => page.goto(server.url + place);

test('what is told before several memories change, and after', () => look(KEY, async function* walk(page) {
  await go(page, '/ui/memories');
  await page.check('#all');
  await page.fill('#b-value', 'shed');
  await page.click('button[value=tag]');
  await page.waitForSelector('text=Nothing is changed yet');
  yield 'sure-tag';
  await page.click('main form button');
  await page.waitForSelector('.notice');
  yield 'done-tag';
  await go(page, '/ui/tags');
  await page.fill('#from', 'home');
  await page.fill('#to', 'garden');
  await page.click('text="Rename"');
  await page.waitForSelector('text=both become one');
  yield 'sure-rename';
  await go(page, '/ui/activity/undo?credential=default');
  yield 'undo-preview';
  const trashed = (await server.call('GET', '/api/v1/memories?status=deleted')).memories[0].id;
  await go(page, `/ui/memories/${trashed}`);
  yield 'memory-in-the-trash';
}));

test('what an import would do, and did', () => look(KEY, async function* walk(page) {
  await go(page, '/ui/transfer');
  await page.fill('#content', `${JSON.stringify({ content: 'Brought along.' })}\n{"content": 7}\nno line at all`);
  await page.click('text=See what would be imported');
  await page.waitForSelector('text=would be stored');
  yield 'import-tried';
  await page.click('text=/^Import 1/');
  await page.waitForSelector('text=Undo this import');
  yield 'import-done';
  await go(page, '/ui/inbox');
  assert.match(await page.textContent('ol.memories'), /Brought along/);
  yield 'inbox-with-something';
}));

test('a token that is shown once, and one that is taken back', () => look(KEY, async function* walk(page) {
  await go(page, '/ui/clients');
  await page.fill('#name', 'tablet');
  await page.click('text=Make it');
  await page.waitForSelector('#secret');
  yield 'token-shown';
  await page.click('text=Done');
  await page.click('[aria-label="Revoke tablet"]');
  await page.waitForSelector('[aria-label="Enable tablet"]');
  yield 'token-revoked';
}));

test('two texts that were typed at once', () => look(KEY, async function* walk(page) {
  await go(page, `/ui/memories/${id}/edit`);
  await server.call('PATCH', `/api/v1/memories/${id}`, { content: 'The garden gate is gone.' });
  await page.fill('#content', 'The garden gate is red.');
  await page.click('button.main');
  await page.waitForSelector('text=What it says by now');
  yield 'conflict';
  await page.fill('#project', '\u{1f33b}'.repeat(60));
  await page.fill('#tags', 'x'.repeat(300));
  await page.click('button.main');
  await page.waitForSelector('.problem');
  yield 'edit-refused';
}));

test('what is refused', () => look(null, async function* walk(page) {
  await go(page, '/ui/login');
  await page.fill('#credential', 'wrong');
  await page.click('#login button');
  await page.waitForSelector('#problem');
  yield 'sign-in-refused';
  await go(page, '/authorize?client_id=mc_nobody');
  yield 'question-of-nobody';
  const reader = (await server.call('POST', '/admin/tokens', { name: 'reader', scopes: ['read'] })).token;
  await signIn(page, server, reader);
  await go(page, '/ui/activity');
  yield 'not-for-readers';
  await go(page, '/ui/new');
  await page.fill('#content', 'typed by a reader');
  await page.click('button.main');
  await page.waitForSelector('.problem');
  yield 'writing-refused';
  await go(page, '/ui/confirm');
  await page.fill('#credential', 'wrong');
  await page.click('main button');
  await page.waitForSelector('#problem');
  yield 'confirming-refused';
  await go(page, '/ui/new');
  await page.fill('#content', 'typed when it was over');
  await page.context().clearCookies();
  await page.click('button.main');
  await page.waitForSelector('#kept');
  yield 'signed-out';
}));

test('a name of a program is a text, wherever it is shown', () => look(KEY, async function* walk(page) {
  const back = 'http://localhost:1/callback';
  const plain = ['<script>window.__x=1</script>', '"><img src=x onerror=window.__x=1>', '</h2></bdi><form action=//evil.example><button>x', '&lt;b&gt;'];
  // What cannot be seen is written out, and what has no end is cut.
  const changed = [['\u202eedualC', '\\u{202e}edualC'], ['Claude\u200b', 'Claude\u27e6U+200B\u27e7'], ['x'.repeat(500), 'x'.repeat(64)]];
  for (const [name, shown] of [...plain.map((name) => [name, name]), ...changed]) {
    await page.goto(server.question(await server.register(name, [back]), back));
    assert.equal(await page.evaluate(() => window.__x ?? null), null, name);
    assert.equal(await page.locator('main script, main img, main form').count(), 1, `${name}: the form of the question alone`);
    assert.equal(await page.textContent('main strong'), shown, name);
  }
  yield 'question-with-a-name';
}));
