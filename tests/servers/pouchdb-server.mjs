// Runs pouchdb-server in memory, on 127.0.0.1, in the current (empty) folder, which it litters.
//
//     node pouchdb-server.mjs [PORT]
//
// Without a port, or with 0, the system picks one. It says `listening on PORT` on stdout, and ends
// when stdin ends, so that it never outlives the test that started it, even one that is killed.

import { createRequire } from 'node:module'
import net from 'node:net'

const port = Number(process.argv[2] ?? 0)

process.stdin.on('end', () => process.exit(0)).resume()

// The package takes 0 for "no port given" and says nothing to whoever loaded it: so the one call
// of `listen` that it makes is given the port here, and watched.
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
