// PROXY_TARGET=http://127.0.0.1:3000 PROXY_KEY=K node auth-proxy.mjs
//
// A loopback proxy in front of a server that asks for a key: the conformance suite cannot send one. It adds
// `Authorization` and changes nothing else; `Host` and `Origin` above all stay as the suite wrote them, or the
// rebinding checks would check the proxy. Bodies stream both ways. Prints its port, ends with its standard input.
import http from 'node:http';

const target = new URL(process.env.PROXY_TARGET);
const authorization = `Bearer ${process.env.PROXY_KEY}`;

function withKey(rawHeaders) {
    const headers = [];
    for (let i = 0; i < rawHeaders.length; i += 2) {
        if (rawHeaders[i].toLowerCase() !== 'authorization') {
            headers.push(rawHeaders[i], rawHeaders[i + 1]);
        }
    }
    return [...headers, 'Authorization', authorization];
}

const proxy = http.createServer((request, response) => {
    const upstream = http.request({
        host: target.hostname,
        port: target.port,
        method: request.method,
        path: request.url,
        headers: withKey(request.rawHeaders),
        setHost: false,
    });
    upstream.on('response', (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        response.flushHeaders();
        answer.pipe(response);
        answer.on('error', () => response.destroy());
    });
    upstream.on('error', (error) => {
        if (response.headersSent) {
            response.destroy();
        } else {
            response.writeHead(502).end(String(error));
        }
    });
    // A client that hangs up cancels its request: memoryd must see that too.
    response.on('close', () => upstream.destroy());
    request.pipe(upstream);
});

proxy.listen(0, '127.0.0.1', () => process.stdout.write(`${proxy.address().port}\n`));
process.stdin.resume().on('end', () => process.exit(0));
