// Much of everything, and every script of the world: 10,000 tags, a memory of a megabyte, emoji, and what is read from the right.

import { after, before, test } from 'node:test';
import { KEY, Server, assert, axe, launch, looked, open, sideways, signIn } from './harness.mjs';

/** No page of a list is larger, whatever is stored. */
const MOST_BYTES = 200 * 1024;
const MEGABYTE = 1 << 20;

let server;
let browser;
before(async () => {
  server = await Server.start({ MAX_CONTENT_BYTES: '1 MiB', MAX_BODY_BYTES: '8 MiB' });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function take(memories) {
  const answer = await fetch(`${server.url}/api/v1/import?confirm=true`, {
    method: 'POST',
    headers: { 'X-API-Key': KEY, 'Content-Type': 'application/x-ndjson' },
    body: memories.map((memory) => JSON.stringify(memory)).join('\n'),
  });
  const told = await answer.json();
  assert.equal(told.imported, memories.length, JSON.stringify(told));
}

test('ten thousand tags: every page stays small and fits, and each tag leads to what bears it', async () => {
  // As many as a memory may have.
  const each = 64;
  const memories = [];
  for (let first = 0; first < 10_000; first += each) {
    const tags = Array.from({ length: Math.min(each, 10_000 - first) }, (_, n) => `tag-number-${first + n}`);
    memories.push({ content: `Bears the tags from ${first} on`, tags });
  }
  await take(memories);
  const { context, page } = await open(browser, server);
  await signIn(page, server);

  const large = {};
  for (const place of ['/ui/', '/ui/tags', '/ui/memories', '/ui/memories?view=timeline', '/ui/search?q=tags', '/ui/graph']) {
    await page.setViewportSize({ width: 1280, height: 900 });
    const answer = await page.goto(server.url + place);
    const size = (await answer.body()).length;
    if (size > MOST_BYTES) large[place] = size;
    await page.setViewportSize({ width: 320, height: 800 });
    assert.ok(await sideways(page) <= 0, place);
  }
  assert.deepEqual(large, {});
  await page.goto(`${server.url}/ui/tags`);
  assert.deepEqual(await axe(page), []);
  assert.match(await page.textContent('main'), /9.?500 more names are not shown/);
  await page.locator('tbody a').first().click();
  assert.match(await page.locator('[role=status]', { hasText: 'in all' }).textContent(), /^1 in all/);
  await page.goto(`${server.url}/ui/memories?tags=tag-number-9999`);
  assert.equal(await page.locator('ol.memories > li').count(), 1);
  await context.close();
});

test('a memory of a megabyte is listed, shown, searched and edited', { timeout: 300_000 }, async () => {
  const words = 'lantern harbor copper willow '.repeat(MEGABYTE / 29);
  const text = `${words.slice(0, MEGABYTE - 32).trim()} needle`;
  const id = await server.add(text, { title: 'A long one', project: 'long' });
  const { context, page } = await open(browser, server);
  await signIn(page, server);

  for (const place of ['/ui/memories?project=long', '/ui/search?q=lantern+needle']) {
    const answer = await page.goto(server.url + place);
    assert.ok((await answer.body()).length <= MOST_BYTES, place);
    assert.equal(await page.locator('a', { hasText: 'A long one' }).count(), 1, place);
  }
  await page.goto(`${server.url}/ui/memories/${id}`);
  assert.equal(await page.locator('#text').evaluate((shown) => shown.textContent), text);
  await page.goto(`${server.url}/ui/memories/${id}/edit`);
  assert.equal(await page.inputValue('#content'), text);
  await page.locator('#content').evaluate((area) => { area.value = area.value.replace('needle', 'thread'); });
  await page.click('button.main');
  await page.waitForSelector('.notice');
  assert.match(await page.textContent('.notice'), /Saved/);
  assert.equal((await server.call('GET', `/api/v1/memories/${id}`)).memory.content, text.replace('needle', 'thread'));
  // So much of what was is not shown, and it is said so.
  assert.match(await page.textContent('main'), /1 older versions are not shown/);

  // One more than a memory may have: it is said why, and nothing that was typed is lost. Without the browser, for it is slow
  // with so much.
  const csrf = await page.locator('form[action$="/purge"] input[name=csrf]').inputValue();
  const long = `${text}${'x'.repeat(64)}`;
  const refused = await page.request.post(`${server.url}/ui/memories/${id}/edit`, {
    form: { csrf, version: '2', content: long }, headers: { 'Sec-Fetch-Site': 'same-origin' },
  });
  const told = await refused.text();
  assert.ok(told.includes('the limit is 1048576') && told.includes(long), told.slice(0, 4000));
  await context.close();
});

/** Texts as people write them. None has a character that cannot be seen, the joiners of emoji and of Persian apart. */
const SCRIPTS = {
  hebrew: 'הגינה מאחורי הבית, ליד block 7 (שער כחול)',
  arabic: 'مفتاح الحديقة تحت الحجر الثالث، رقم 42',
  persian: 'می‌خواهم باغچه را آب بدهم',
  emoji: 'Family 👩‍👩‍👧‍👦, flag 🏳️‍🌈, skin 👍🏽, key 1️⃣, country 🇵🇹',
  japanese: '庭の門は青い。第三の石の下に鍵がある。',
  hindi: 'बगीचे का द्वार नीला है — क्षेत्र ३',
  thai: 'กุญแจสวนอยู่ใต้ก้อนหินที่สาม',
  combined: 'Cafe\u0301 and Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e',
};
const FROM_THE_RIGHT = ['hebrew', 'arabic', 'persian'];

test('emoji and what is read from the right stand as they were written, and turn nothing round', async () => {
  const ids = {};
  for (const [name, text] of Object.entries(SCRIPTS)) {
    ids[name] = await server.add(text, { title: text, tags: [name, text.slice(0, 20).replaceAll(',', ' ')], project: text.slice(0, 24).trim() });
  }
  const { context, page } = await open(browser, server, { viewport: { width: 320, height: 800 } });
  await signIn(page, server);

  for (const place of ['/ui/', '/ui/memories', '/ui/tags', '/ui/search?q=42', `/ui/search?q=${encodeURIComponent(SCRIPTS.hebrew)}`]) {
    await page.goto(server.url + place);
    assert.ok(await sideways(page) <= 0, place);
  }
  await page.goto(`${server.url}/ui/memories`);
  const rows = await page.locator('ol.memories > li a bdi').allTextContents();
  for (const [name, text] of Object.entries(SCRIPTS)) assert.ok(rows.includes(text), `${name} in the list`);
  for (const [name, text] of Object.entries(SCRIPTS)) {
    await page.goto(`${server.url}/ui/memories/${ids[name]}`);
    assert.equal(await page.textContent('#text'), text, name);
    assert.ok(await sideways(page) <= 0, name);
    const direction = await page.locator('#text').evaluate((shown) => getComputedStyle(shown).direction);
    assert.equal(direction, FROM_THE_RIGHT.includes(name) ? 'rtl' : 'ltr', name);
    assert.equal(await page.locator('main').evaluate((main) => getComputedStyle(main).direction), 'ltr', 'the page stays');
    await page.goto(`${server.url}/ui/memories/${ids[name]}/edit`);
    assert.equal(await page.inputValue('#content'), text, name);
    await page.click('button.main');
    await page.waitForURL((url) => !url.pathname.endsWith('/edit'));
    assert.equal((await server.call('GET', `/api/v1/memories/${ids[name]}`)).memory.content, text, `${name} after a save`);
  }
  await page.goto(`${server.url}/ui/memories/${ids.hebrew}`);
  assert.deepEqual(await looked(page, 'memory-hebrew'), []);
  await context.close();
});
