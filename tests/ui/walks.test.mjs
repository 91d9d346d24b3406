// The same walk with the keyboard alone and without a script; what two windows do to each other.

import { after, before, test } from 'node:test';
import { KEY, Server, assert, furnish, launch, open, signIn, streamOf } from './harness.mjs';

let server;
let browser;
before(async () => {
  server = await Server.start();
  browser = await launch();
  await furnish(server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('without a script: in, search, write, edit, undo, out', async () => {
  const { context, page } = await open(browser, server, { javaScriptEnabled: false });
  await signIn(page, server);
  await page.goto(`${server.url}/ui/search?q=garden+gate`);
  assert.ok(await page.locator('mark').count() > 0);
  await page.goto(`${server.url}/ui/new`);
  await page.fill('#content', 'first line\nsecond line');
  await page.click('button.main');
  assert.match(await page.textContent('.text'), /first line\nsecond line/);
  await page.click('text=Edit');
  await page.fill('#content', 'changed\nsecond line');
  await page.click('button.main');
  assert.match(await page.textContent('.notice'), /Saved/);
  await page.click('.notice button');
  assert.match(await page.textContent('#text'), /first line/);
  await page.click('text=Sign out');
  assert.match(page.url(), /\/ui\/login$/);
  await page.goto(`${server.url}/ui/`);
  assert.match(page.url(), /\/ui\/login\?next=/);
  await context.close();
});

test('with the keyboard alone: in, search, open, edit, undo, trash, undo, out', async () => {
  const { context, page } = await open(browser, server);
  const press = (key) => page.keyboard.press(key);
  /** Goes on from what has the focus until something has it that `fits`. */
  async function tabTo(fits) {
    for (let n = 0; n < 200; n += 1) {
      await press('Tab');
      if (await page.evaluate(`((at) => ${fits})(document.activeElement)`)) return;
    }
    assert.fail(`no way by Tab to ${fits} on ${page.url()}`);
  }
  await page.goto(`${server.url}/ui/login`);
  await tabTo('at.id === "credential"');
  await page.keyboard.type(KEY);
  await press('Enter');
  await page.waitForURL(/\/ui\/$/);
  await press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip', 'the first way leads past the others');
  await press('/');
  await page.waitForURL(/\/ui\/search/);
  await press('/');
  await page.keyboard.type('garden gate');
  await press('Enter');
  await page.waitForURL(/q=garden/);
  await press('j');
  await press('Enter');
  await page.waitForURL(/\/ui\/memories\/\w+$/);
  await press('e');
  await page.waitForURL(/\/edit$/);
  await tabTo('at.id === "content"');
  await press('Control+End');
  await page.keyboard.type(' ej#u?');
  await tabTo('at.matches("button.main")');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, 'none', 'it can be seen where one is');
  await press('Enter');
  await page.waitForSelector('.notice:has-text("Saved")');
  assert.match(await page.textContent('#text'), / ej#u\?$/, 'keys are letters where somebody types');
  assert.ok(await page.evaluate(() => document.activeElement.classList.contains('notice')), 'the word on it has the focus');
  await press('u');
  await page.waitForSelector('text=Undone.');
  await press('#');
  await page.waitForSelector('.notice:has-text("trash")');
  await press('u');
  await page.waitForSelector('text=Undone.');
  await press('g');
  await press('t');
  await page.waitForURL(/\/ui\/trash/);
  await tabTo('at.textContent === "Sign out"');
  await press('Enter');
  await page.waitForURL(/\/ui\/login$/);
  await context.close();
});

test('a memory is copied as a text, as Markdown, by its link and by its id', async () => {
  const id = await server.add('The key is under\nthe third stone.', { title: 'Key' });
  const { context, page } = await open(browser, server, { permissions: ['clipboard-read', 'clipboard-write'] });
  await signIn(page, server);
  const place = `${server.url}/ui/memories/${id}`;
  await page.goto(`${place}?x=1`);
  const text = 'The key is under\nthe third stone.';

  for (const [words, copied] of [
    ['Copy the text', text], ['Copy as Markdown', `# Key\n\n${text}\n\n${place}\n`], ['Copy the link', place], ['Copy the id', id],
  ]) {
    await page.evaluate(() => document.querySelector('#live').replaceChildren());
    await page.click(`text=${words}`);
    await page.waitForSelector('#live:has-text("Copied.")');
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), copied, words);
  }
  // Where there is no clipboard it is selected, though it stands nowhere on the page.
  const plain = { url: `http://pi.lan:${server.port}` };
  await signIn(page, plain);
  await page.goto(`${plain.url}/ui/memories/${id}`);
  await page.click('text=Copy the link');
  assert.equal(await page.evaluate(() => getSelection().toString()), page.url());
  await context.close();
});

test('keys act on the row of a list, show themselves, and are left with Escape', async () => {
  const ids = [];
  for (const text of ['the last row but one', 'the last row']) ids.push(await server.add(text, { tags: ['rows'] }));
  const { context, page } = await open(browser, server);
  const press = (key) => page.keyboard.press(key);
  const isPinned = async (id) => (await server.call('GET', `/api/v1/memories/${id}`)).memory.pinned;
  const trashed = async () => (await server.call('GET', '/api/v1/memories?tags=rows&status=deleted')).memories.map((memory) => memory.id);
  await signIn(page, server);
  const list = `${server.url}/ui/memories?tags=rows`;
  await page.goto(list);

  await press('?');
  await page.waitForSelector('dialog[open]');
  await press('j');
  assert.equal(await page.locator('li[data-current]').count(), 0, 'a dialog has its own keys');
  await press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'hidden' });
  await press('j');
  await press('p');
  await page.waitForSelector('.notice:has-text("pinned")');
  assert.equal(await isPinned(ids[1]), true);
  await press('j');
  await press('p');
  await page.waitForSelector('.notice:has-text("no longer pinned")');
  await press('j');
  await press('j');
  await press('#');
  await page.waitForSelector('.notice:has-text("trash")');
  assert.deepEqual(await trashed(), [ids[0]]);
  await press('u');
  await page.waitForSelector('text=Undone.');
  assert.deepEqual(await trashed(), []);
  await page.goto(list);
  await press('j');
  await press('e');
  await page.waitForURL((url) => url.pathname.endsWith(`${ids[1]}/edit`));
  await page.focus('#title');
  await press('Escape');
  await press('g');
  await press('c');
  await page.waitForURL(/\/ui\/clients$/);
  await context.close();
});

test('a token that is revoked in one window is told in the other within two seconds, and what was typed stays', async () => {
  const made = await server.call('POST', '/admin/tokens', { name: 'phone' });
  const { context, page } = await open(browser, server);
  await signIn(page, server, made.token);
  const stream = streamOf(page);
  await page.goto(`${server.url}/ui/new`);
  await stream;
  await page.fill('#content', 'hours of work');
  await server.call('POST', `/admin/tokens/${made.prefix}/revoke`);
  await page.waitForSelector('#live:has-text("signed out")', { timeout: 2_000 });
  assert.equal(await page.inputValue('#content'), 'hours of work');
  await page.click('button.main');
  assert.equal(await page.inputValue('#kept'), 'hours of work');
  await context.close();
});

test('with seven windows open the eighth is there at once', async () => {
  const { context, page } = await open(browser, server);
  await signIn(page, server);
  for (let n = 0; n < 6; n += 1) await (await context.newPage()).goto(`${server.url}/ui/memories`);
  const eighth = await context.newPage();
  await eighth.goto(`${server.url}/ui/help`, { timeout: 5_000 });
  // From the question to the whole page, without what the browser takes to open a window.
  const took = await eighth.evaluate(() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd);
  assert.ok(took < 1_000, `it took ${took} ms`);
  await context.close();
});

test('two windows edit the same, and the second sees both', async () => {
  const id = await server.add('as it was');
  const { context, page } = await open(browser, server);
  await signIn(page, server);
  const other = await context.newPage();
  await page.goto(`${server.url}/ui/memories/${id}/edit`);
  await other.goto(`${server.url}/ui/memories/${id}/edit`);
  await other.fill('#content', 'theirs');
  await other.click('button.main');
  await page.fill('#content', 'mine');
  await page.click('button.main');
  assert.match(await page.textContent('main'), /theirs/);
  assert.equal(await page.inputValue('#content'), 'mine');
  await context.close();
});

test('a link signs in once, and leaves no code in the address', async () => {
  const { path } = await server.call('POST', '/admin/browser-link', {});
  const { context, page } = await open(browser, server);
  await page.goto(server.url + path);
  await page.waitForURL(/\/ui\/$/);
  const second = await open(browser, server);
  await second.page.goto(server.url + path);
  await second.page.waitForSelector('#problem');
  assert.ok(!second.page.url().includes('#t='));
  await context.close();
  await second.context.close();
});

test('where a browser keeps no secure cookie the other one does', async () => {
  const { context, page } = await open(browser, server);
  // Loopback by another name: the server sees its own machine, and the browser keeps no secure cookie.
  await signIn(page, { url: `http://pi.lan:${server.port}` });
  const names = (await context.cookies()).map((cookie) => cookie.name);
  assert.deepEqual(names, ['memoryd-local']);
  await context.close();
});
