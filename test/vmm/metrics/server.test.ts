/** The HTTP endpoint of metrics: what it answers, and that clients who mean it harm neither hurt nor outstay it. */
import { createConnection, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatFor } from '../../../vmm/metrics/accept.ts';
import { MetricsServer, type ServerLimits } from '../../../vmm/metrics/server.ts';
import { Random } from '../../cpu/host-random.ts';

const test = suite('metrics server');
const LIMITS: ServerLimits = { connections: 8, headersMs: 200, requestMs: 400, silenceMs: 400, keepAliveMs: 60_000 };
const PAGE = { title: 'a <b>', render: (format: string): string => `# ${format}\n` };
const GET = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n';

const open = new Set<MetricsServer>();
test.after.each(() => {
  for (const server of open) server.close();
  open.clear();
});

/** Limits of time are long unless the test is of them. */
async function serving(page: typeof PAGE | 'later' = PAGE, limits: Partial<ServerLimits> = {}, host = '127.0.0.1'): Promise<MetricsServer> {
  const patient = { headersMs: 60_000, requestMs: 60_000, silenceMs: 60_000 };
  const server = await MetricsServer.listen({ host, port: 0 }, { ...LIMITS, ...patient, ...limits });
  if (page !== 'later') server.serve(page);
  open.add(server);
  return server;
}

interface Client {
  readonly socket: Socket;
  readonly text: () => string;
  /** The other side has ended, in whatever way. */
  readonly closed: Promise<string>;
}

function client(server: MetricsServer, sent: string | Uint8Array): Client {
  const { port, hostname } = new URL(server.url);
  const socket = createConnection(Number(port), hostname.replaceAll(/[[\]]/g, ''));
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (bytes: string) => {
    text += bytes;
  });
  socket.on('error', () => {});
  socket.write(sent);
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(text)));
  return { socket, text: () => text, closed };
}

/** What one request on a connection of its own gets. */
const ask = (server: MetricsServer, head: string): Promise<string> => client(server, `${head}\r\nConnection: close\r\n\r\n`).closed;

const status = (answer: string): number => Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);

async function isWell(server: MetricsServer): Promise<void> {
  assert.match(await ask(server, 'GET /metrics HTTP/1.1\r\nHost: localhost'), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n# prometheus\n$/);
}

test('GET and HEAD of /metrics, and a page that leads there', async () => {
  const server = await serving();
  const answer = await ask(server, 'GET /metrics?x=1 HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text');
  assert.match(answer, /^Content-Type: application\/openmetrics-text; version=1\.0\.0; charset=utf-8\r$/m);
  assert.match(answer, /^Content-Length: 14\r$/m);
  assert.ok(answer.endsWith('\r\n\r\n# openmetrics\n'));
  const head = await ask(server, 'HEAD /metrics HTTP/1.1\r\nHost: localhost');
  assert.match(head, /^Content-Type: text\/plain; version=0\.0\.4; charset=utf-8\r$/m);
  assert.match(head, /^Content-Length: 13\r$/m);
  assert.ok(head.endsWith('\r\n\r\n'));
  const page = await ask(server, 'GET / HTTP/1.1\r\nHost: localhost');
  assert.match(page, /<h1>a &lt;b&gt;<\/h1>.*href="\/metrics"/);
});

test('anything else is 404 or 405', async () => {
  const server = await serving();
  for (const path of ['/x', '/metrics/', '/metrics/../etc/passwd', '//metrics', '*', '/%6detrics'])
    assert.is(status(await ask(server, `GET ${path} HTTP/1.1\r\nHost: localhost`)), 404, path);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']) {
    const answer = await ask(server, `${method} /metrics HTTP/1.1\r\nHost: localhost`);
    assert.is(status(answer), 405, method);
    assert.match(answer, /^Allow: GET, HEAD\r$/m);
  }
});

test('a body is not waited for, and ends the connection', async () => {
  const server = await serving();
  for (const header of ['Content-Length: 1000000', 'Transfer-Encoding: chunked']) {
    const answer = await client(server, `GET /metrics HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\nabc`).closed;
    assert.is(status(answer), 200);
  }
});

test('on a loopback address only localhost and addresses are answered: a rebound name is not', async () => {
  const server = await serving();
  const of = async (host: string): Promise<number> => status(await ask(server, `GET /metrics HTTP/1.1\r\nHost: ${host}`));
  for (const host of ['localhost', 'LOCALHOST:80', 'vm.localhost:1', '127.0.0.1:9100', '127.0.0.2', '[::1]:9100', '10.0.0.7'])
    assert.is(await of(host), 200, host);
  for (const host of [
    'evil.example',
    'evil.example:9100',
    'localhost.evil.example',
    'xlocalhost',
    '127.0.0.1.evil.example',
    '[::1].evil',
    '',
  ])
    assert.is(await of(host), 421, host);
  assert.is(status(await ask(server, 'GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost')), 421);
  assert.is(status(await ask(server, 'GET http://localhost:9100/metrics HTTP/1.1\r\nHost: localhost')), 200);
  // Without a Host: HTTP/1.0 may, 1.1 must not.
  assert.is(status(await ask(server, 'GET /metrics HTTP/1.0')), 200);
  assert.is(status(await ask(server, 'GET /metrics HTTP/1.1')), 400);
});

test('on all addresses every name is answered', async () => {
  const server = await serving(PAGE, {}, '0.0.0.0');
  assert.not.ok(server.isLoopback);
  assert.is(status(await ask(server, 'GET /metrics HTTP/1.1\r\nHost: vm7.example.net:9100')), 200);
});

test('IPv6', async () => {
  const server = await serving(PAGE, {}, '::1');
  assert.match(server.url, /^http:\/\/\[::1\]:\d+\/metrics$/);
  await isWell(server);
});

test('requests before there is anything to say wait for it', async () => {
  const server = await serving('later');
  const early = ask(server, 'GET /metrics HTTP/1.1\r\nHost: localhost');
  // The refusal that comes first shows that the server has seen the connection before it.
  assert.is(status(await ask(server, 'GET /x HTTP/1.1\r\nHost: localhost')), 404);
  server.serve(PAGE);
  assert.is(status(await early), 200);
});

test('a fault in what is told is told', async () => {
  let faulty = true;
  const server = await serving({
    ...PAGE,
    render(format) {
      if (faulty) throw new Error('no counters');
      return `# ${format}\n`;
    },
  });
  assert.match(await ask(server, 'GET /metrics HTTP/1.1\r\nHost: localhost'), /^HTTP\/1\.1 500 [\s\S]*no counters/);
  faulty = false;
  await isWell(server);
});

test('at the limit of connections the oldest goes: who only holds them keeps nobody out', async () => {
  const server = await serving();
  const many = Array.from({ length: 1000 }, (_, i) => client(server, i % 2 === 0 ? '' : 'GET /metrics HTTP/1.1\r\nHo'));
  // Which are the last is the host's to say.
  let left = many.length;
  await new Promise<void>((resolve) => {
    for (const { closed } of many) closed.then(() => --left === LIMITS.connections && resolve());
  });
  await isWell(server);
  server.close();
  await Promise.all(many.map(({ closed }) => closed));
});

test('headers that come slowly, or too many of them, end the connection', async () => {
  const server = await serving(PAGE, LIMITS);
  const slow = client(server, 'GET /metrics HTTP/1.1\r\n');
  const drip = setInterval(() => slow.socket.writable && slow.socket.write('a: b\r\n'), 20);
  assert.is(status(await slow.closed), 408);
  clearInterval(drip);
  assert.ok([Number.NaN, 408].includes(status(await client(server, '').closed)));
  assert.is(status(await ask(server, `GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(9000)}`)), 431);
  await isWell(server);
});

test('a client that does not read is left, and holds no more than one answer', async () => {
  const big = 'x'.repeat(1 << 24);
  let rendered = 0;
  const server = await serving(
    {
      ...PAGE,
      render() {
        rendered++;
        return big;
      },
    },
    LIMITS,
  );
  const deaf = client(server, GET);
  deaf.socket.pause();
  // It cannot see that it was left before it reads: the server's side is what counts.
  await new Promise((resolve) => deaf.socket.once('connect', resolve));
  deaf.socket.write(GET.repeat(3));
  const { promise, resolve } = Promise.withResolvers<void>();
  const poll = setInterval(() => {
    if (rendered === 1 && server.connections === 0) resolve();
  }, 10);
  await promise;
  clearInterval(poll);
  deaf.socket.destroy();
});

test('requests that do not wait for their answers get one, and the connection ends', async () => {
  let rendered = 0;
  const server = await serving({
    ...PAGE,
    render() {
      rendered++;
      return 'x';
    },
  });
  await client(server, GET.repeat(2000)).closed;
  assert.is(rendered, 1);
});

test('requests that wait for their answers share a connection', async () => {
  const server = await serving();
  const { socket, text } = client(server, GET);
  for (let i = 1; i < 50; i++) {
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (text().split('# prometheus\n').length <= i) return;
        socket.off('data', check);
        resolve();
      };
      socket.on('data', check);
    });
    socket.write(GET);
  }
  socket.end();
});

test('garbage does no harm', async () => {
  const random = new Random(17);
  const server = await serving(PAGE, LIMITS);
  const pieces = [
    'GET',
    ' ',
    '/metrics',
    '\r\n',
    'HTTP/1.1',
    'Host: localhost',
    ':',
    '\u0000',
    'Content-Length: 5',
    '%',
    '\r\n\r\n',
    'ä',
    'Upgrade: x',
  ];
  const garbage = (): Uint8Array => {
    if (random.below(3) === 0) return Uint8Array.from({ length: random.below(400) }, () => random.below(256));
    if (random.below(2) === 0)
      return Buffer.from(Array.from({ length: random.below(30) }, () => pieces[random.below(pieces.length)]).join(''));
    const bytes = Buffer.from(GET);
    for (let i = 0; i < 3; i++) bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  };
  for (let round = 0; round < 60; round++) {
    const clients = Array.from({ length: 8 }, () => client(server, garbage()));
    for (const { socket } of clients) socket.end();
    await Promise.all(clients.map(({ closed }) => closed));
  }
  await client(server, 'CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n').closed;
  await isWell(server);
});

test('close ends everything at once, any number of times, also before there was anything to say', async () => {
  const server = await serving('later');
  const clients = ['', 'GET /metr', GET].map((sent) => client(server, sent));
  assert.is(status(await ask(server, 'GET /x HTTP/1.1\r\nHost: localhost')), 404);
  server.close();
  server.close();
  for (const { closed } of clients) assert.is(await closed, '');
  server.serve(PAGE);
});

test('the format follows from the Accept header', () => {
  const scraper2 =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
  const scraper3 =
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,' +
    'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1';
  for (const accept of [scraper2, scraper3, 'Application/OpenMetrics-Text', 'application/openmetrics-text; version="1.0.0"; charset=utf-8'])
    assert.is(formatFor(accept), 'openmetrics', accept);
  for (const accept of [
    undefined,
    '',
    '*/*',
    'text/html,application/xhtml+xml,*/*;q=0.8',
    'text/plain;version=0.0.4',
    'application/openmetrics-text;version=0.0.1',
    'application/openmetrics-text;q=0',
    'application/openmetrics-text;q=0.2,text/plain;q=0.9',
    'application/openmetrics-text;q=2',
    ';;;,,,=q;q=q',
  ])
    assert.is(formatFor(accept), 'prometheus', accept);
});

test.run();
