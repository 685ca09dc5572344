// Follows a database with nano, CouchDB's own client for Node; see follower.mjs.

import nano from 'nano'
import { changed, failed, ifFound, ready, since, storeFromStdin, url } from './follower.mjs'

const { origin, pathname, username, password } = new URL(url)
const credentials = username && `${username}:${password}@`
const db = nano(origin.replace('//', `//${credentials}`)).use(pathname.slice(1))

// "now" is resolved before `ready` is printed, so that no change after it is missed.
const from = since === 'now' ? (await db.info()).update_seq : since
db.changesReader
  .start({ since: from, includeDocs: true })
  .on('change', changed)
  .on('error', failed)
ready()

await storeFromStdin({
  revision: async (id) => (await ifFound(db.get(id)))?._rev,
  store: (doc) => db.insert(doc),
})
