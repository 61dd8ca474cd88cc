// The files that a run of the post published for its demos.

/**
 * A file beside this script, if it is the one whose SHA-256 the ledger has: {name, digest, buffer}.
 * Browsers digest only on secure connections; on any other, `digest` is null. Throws where the file is another.
 */
export async function load(name, digests) {
  const recorded = digests[`demo/${name}`];
  if (!recorded) throw new Error(`${name} is in no ledger`);
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  const buffer = await response.arrayBuffer();
  const bytes = globalThis.crypto?.subtle && new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  const digest = bytes ? Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") : null;
  if (digest && digest !== recorded) {
    const [found, expected] = [digest, recorded].map((whole) => whole.slice(0, 12));
    throw new Error(`${name} is not the file of the ledger: its SHA-256 starts with ${found}, recorded is ${expected}`);
  }
  return { name, digest, buffer };
}

export const parse = ({ buffer }) => JSON.parse(new TextDecoder().decode(buffer));
