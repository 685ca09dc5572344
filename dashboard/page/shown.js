// The shown revisions of a document. An older answer must not be shown after a newer one.
//
// Several dashboards may have one address, and one of them may know a change later than the others.
// An older revision is shown only if the server states that it is right. It states that after a
// branch of the document was deleted (`Supersedes`), and after the database was deleted and created
// again (`Database`). After the document was deleted, any revision is shown.

/** For this time, an answer from a replaced database comes from a dashboard that is late. */
const LATE_MS = 60_000;
/** The number of replaced databases that are remembered. */
const MOST_REPLACED = 8;

export class Shown {
  #revision = null;
  #before = null;
  /** The newest revision of this database. */
  #newest = null;
  #database = null;
  #databaseMs = 0;
  #replaced = new Set();

  /**
   * Checks an answer that arrived at `nowMs`. Returns "older" if it must not be shown, "new" if it
   * is newer than all shown revisions of its database, and otherwise "same".
   */
  take({ revision, database = null, supersedes = null }, nowMs) {
    if (database !== null && database !== this.#database) {
      const isLate = nowMs - this.#databaseMs < LATE_MS;
      if (this.#replaced.has(database) && isLate) return "older";
      this.#replace(database);
    }
    this.#databaseMs = nowMs;
    const isRight = supersedes !== null && !isNewer(this.#revision, supersedes);
    if (isNewer(this.#revision, revision) && !isRight) return "older";
    const isNew = this.#isNew(revision);
    if (isNew) this.#newest = revision;
    if (revision !== this.#revision) this.#before = this.#revision;
    this.#revision = revision;
    return isNew ? "new" : "same";
  }

  #replace(database) {
    if (this.#database !== null) this.#replaced.add(this.#database);
    this.#replaced.delete(database);
    if (this.#replaced.size > MOST_REPLACED) {
      this.#replaced.delete(this.#replaced.values().next().value);
    }
    this.#database = database;
    this.#revision = this.#before = this.#newest = null;
  }

  #isNew(revision) {
    if (this.#newest === null || isNewer(revision, this.#newest)) return true;
    // Of two revisions without an order, any other one is new, unless the two only alternate.
    const isComparable = orderOf(revision) !== null && orderOf(this.#newest) !== null;
    return !isComparable && revision !== this.#revision && revision !== this.#before;
  }
}

/** The order of CouchDB: first the number, then the hash. False for text without an order. */
function isNewer(revision, than) {
  const [one, other] = [orderOf(revision), orderOf(than)];
  if (one === null || other === null) return false;
  return one.edits > other.edits || (one.edits === other.edits && one.hash > other.hash);
}

function orderOf(revision) {
  const parts = /^(\d+)-(.+)$/.exec(revision ?? "");
  return parts && { edits: BigInt(parts[1]), hash: parts[2] };
}
