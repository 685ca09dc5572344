// Replicates from PouchDB in memory to a database, and from there to another PouchDB. The embedded
// database cannot store some of the documents.
//
//     node replicate-pouchdb.mjs http://127.0.0.1:PORT/DATABASE
//
// On stdout, a line of JSON for each replication: {"to" or "from": {"ok", "written", "failures",
// "denied" (ids), "read"}}, and then one with all documents of the second PouchDB: {"back": [ids]}.

import http from 'pouchdb-adapter-http'
import memory from 'pouchdb-adapter-memory'
import PouchDB from 'pouchdb-core'
import replication from 'pouchdb-replication'

const [url] = process.argv.slice(2)
for (const plugin of [http, memory, replication]) PouchDB.plugin(plugin.default ?? plugin)

const remote = new PouchDB(url, { skip_setup: true })
const source = new PouchDB('source', { adapter: 'memory' })
const target = new PouchDB('target', { adapter: 'memory' })

async function replicate(name, replication) {
  const denied = []
  replication.on('denied', (error) => denied.push(error.id))
  const { ok, docs_written: written, doc_write_failures: failures, docs_read: read } =
    await replication
  console.log(JSON.stringify({ [name]: { ok, written, failures, denied: denied.sort(), read } }))
}

const attachment = { content_type: 'text/plain', data: 'YWJj' }
for (let n = 0; n < 10; n++) await source.put({ _id: `doc-${n}`, n })
await source.put({ _id: 'doc-5-attachment', _attachments: { a: attachment } })
await source.put({ _id: 'doc-6-surrogate', text: '\ud800' })
await source.bulkDocs([{ _id: 'doc-7-odd', _rev: '1-abc' }], { new_edits: false })
await replicate('to', source.replicate.to(remote))

// One at a time, so that a batch is refused whole; and one after it.
await source.put({ _id: 'later', n: 1 })
await source.put({ _id: 'later-attachment', _attachments: { a: attachment } })
await source.put({ _id: 'last', n: 1 })
await replicate('to', source.replicate.to(remote, { batch_size: 1 }))

await replicate('from', target.replicate.from(remote))
const { rows } = await target.allDocs()
console.log(JSON.stringify({ back: rows.map(({ id }) => id) }))
process.exit(0)
