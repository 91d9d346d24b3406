// bun bun_client.mjs URL KEY: asks a server over HTTPS who it is, by a plain fetch and by the first request of MCP.
// Prints {health, server}, or {error} if it does not trust who answers.
const [url, key] = process.argv.slice(2);
const hello = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'bun', version: '1' } };
const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' };

try {
    const health = await (await fetch(new URL('/health', url))).json();
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello });
    const answer = await (await fetch(url, { method: 'POST', headers, body })).json();
    console.log(JSON.stringify({ health: health.status, server: answer.result.serverInfo.name }));
} catch (error) {
    console.log(JSON.stringify({ error: error.code ?? String(error) }));
}
