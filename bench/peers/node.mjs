// The job with Node's own http module.
import http from 'node:http';

const LONG_POLL = 28_000;
const feed = process.argv[2];
let current = { rev: '', body: Buffer.alloc(0) };
let waiting = new Set();

function answer(response) {
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-cache',
    'Content-Length': current.body.length,
  });
  response.end(current.body);
}

const server = http.createServer((request, response) => {
  const [, name, rev] = request.url.split('/');
  if (name !== 'overview') {
    response.writeHead(404).end();
  } else if (rev !== current.rev) {
    answer(response);
  } else {
    const wait = { response, timer: undefined };
    const end = () => {
      clearTimeout(wait.timer);
      waiting.delete(wait);
    };
    wait.timer = setTimeout(() => { end(); answer(response); }, LONG_POLL);
    response.on('close', end);
    waiting.add(wait);
  }
});
server.keepAliveTimeout = 60_000;

http.get(`${feed}/_changes?feed=continuous&include_docs=true&since=0`, (changes) => {
  let rest = '';
  changes.setEncoding('utf8');
  changes.on('data', (data) => {
    const lines = (rest + data).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') continue;
      const row = JSON.parse(line);
      if (row.id !== 'overview') continue;
      current = { rev: row.changes[0].rev, body: Buffer.from(JSON.stringify(row.doc)) };
      const woken = waiting;
      waiting = new Set();
      for (const wait of woken) {
        clearTimeout(wait.timer);
        answer(wait.response);
      }
    }
  });
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
