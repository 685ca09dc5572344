// The common part of the followers: their output for the test, and their end.
//
//     node follow-CLIENT.mjs http://127.0.0.1:PORT/DATABASE [SINCE]
//
// On stdout, a line each:
//     ready                               it follows; every later change will be printed
//     {"id":ID,"rev":REV,"doc":DOC}       a change
//     stored ID REV                       a document from stdin is stored
//     refused ID STATUS                   a document from stdin was rejected
//     error MESSAGE                       the client reported an error
// Each line of stdin is a document to store. It replaces the current revision. The end of stdin
// ends the program, so that it ends with the test that started it.

import { createInterface } from 'node:readline'

export const [url, since = 'now'] = process.argv.slice(2)

export const ready = () => console.log('ready')
export const failed = (error) => console.log(`error ${error?.message ?? error}`)

export function changed({ id, changes, doc }) {
  console.log(JSON.stringify({ id, rev: changes[0].rev, doc }))
}

// Stores the documents of stdin in order. `revision(id)` returns the current revision, if any.
export async function storeFromStdin({ revision, store }) {
  for await (const line of createInterface({ input: process.stdin })) {
    const doc = JSON.parse(line)
    try {
      const _rev = doc._rev ?? (await revision(doc._id))
      const { id, rev } = await store(_rev ? { ...doc, _rev } : doc)
      console.log(`stored ${id} ${rev}`)
    } catch (error) {
      console.log(`refused ${doc._id} ${error.status ?? error.statusCode ?? error.message}`)
    }
  }
  process.exit(0)
}

// `undefined` where the client says that there is no such document.
export async function ifFound(promise) {
  try {
    return await promise
  } catch (error) {
    if ((error.status ?? error.statusCode) === 404) return undefined
    throw error
  }
}
