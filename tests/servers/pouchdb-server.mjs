// Runs pouchdb-server in memory, on 127.0.0.1. It writes files to the current (empty) folder.
//
//     node pouchdb-server.mjs [PORT]
//
// Without a port, or with 0, the system selects one. It prints `listening on PORT`, and ends when
// stdin ends, so that it ends with the test that started it, even if that is killed.

import { createRequire } from 'node:module'
import net from 'node:net'

const port = Number(process.argv[2] ?? 0)

process.stdin.on('end', () => process.exit(0)).resume()

// The package treats 0 as "no port" and does not report its port. Therefore its only call of
// `listen` is replaced here by one that sets the port and reports it.
const { listen } = net.Server.prototype
net.Server.prototype.listen = function (_port, ...rest) {
  this.once('listening', () => console.log(`listening on ${this.address().port}`))
  this.once('error', ({ code }) => {
    console.log(`cannot listen: ${code}`)
    process.exit(1)
  })
  return listen.call(this, port, ...rest)
}

process.argv.splice(2, 1, '--in-memory', '--host', '127.0.0.1', '--no-stdout-logs')
createRequire(import.meta.url)('pouchdb-server')
