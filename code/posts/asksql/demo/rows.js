// SQLite beside the page's own thread: a table in memory, one query of it. A classic worker, since sql.js is no module.
/* global importScripts, initSqlJs */

importScripts("../../theme/vendor/sql.js/sql-wasm.js");

async function runtime() {
  const response = await fetch("../../theme/vendor/sql.js/sql-wasm.wasm.gzip");
  if (!response.ok) throw new Error(`sql-wasm.wasm: ${response.status}`);
  const unpacked = new Response(response.body.pipeThrough(new DecompressionStream("gzip")));
  return initSqlJs({ wasmBinary: await unpacked.arrayBuffer() });
}

const ready = runtime();
ready.then(() => postMessage({ ready: true }), (error) => postMessage({ error: error.message }));
const identifier = (name) => `"${name.replaceAll('"', '""')}"`;

onmessage = async ({ data: { id, table, header, numeric, rows, sql, most } }) => {
  try {
    const database = new (await ready).Database();
    const columns = header.map((name, i) => `${identifier(name)} ${numeric[i] ? "NUMERIC" : "TEXT"}`);
    database.run(`CREATE TABLE ${identifier(table)} (${columns.join(", ")})`);
    const insert = database.prepare(`INSERT INTO ${identifier(table)} VALUES (${header.map(() => "?").join(", ")})`);
    for (const row of rows) insert.run(row);
    insert.free();
    database.run("PRAGMA query_only = ON");
    const found = [], statement = database.prepare(sql);
    while (found.length <= most && statement.step()) found.push(statement.get());
    statement.free();
    database.close();
    postMessage({ id, rows: found.slice(0, most), cut: found.length > most });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};
