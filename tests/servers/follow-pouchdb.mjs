// Follows a database with PouchDB, as an application in a browser does; see follower.mjs.

import http from 'pouchdb-adapter-http'
import PouchDB from 'pouchdb-core'
import { changed, failed, ifFound, ready, since, storeFromStdin, url } from './follower.mjs'

const db = new (PouchDB.plugin(http.default ?? http))(url, { skip_setup: true })

// "now" is resolved before `ready` is printed, so that no change after it is missed.
const from = since === 'now' ? (await db.info()).update_seq : since
db.changes({ live: true, since: from, include_docs: true })
  .on('change', changed)
  .on('error', failed)
ready()

await storeFromStdin({
  revision: async (id) => (await ifFound(db.get(id)))?._rev,
  store: (doc) => db.put(doc),
})
