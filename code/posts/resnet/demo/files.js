// The files that a run of the post published for its demo, and the tensors in them.

/**
 * A file beside this script, if it is the one whose SHA-256 the ledger has: {name, digest, tensors}.
 * Browsers digest only on secure connections; on any other, `digest` is null. Throws where the file is another.
 */
export async function load(name, digests) {
  const recorded = digests[`demo/${name}`];
  if (!recorded) throw new Error(`${name} is in no ledger`);
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  const buffer = await response.arrayBuffer(), digest = await sha256(buffer);
  if (digest && digest !== recorded) {
    const [found, expected] = [digest, recorded].map((whole) => whole.slice(0, 12));
    throw new Error(`${name} is not the file of the ledger: its SHA-256 starts with ${found}, recorded is ${expected}`);
  }
  return { name, digest, tensors: parseSafetensors(buffer) };
}

async function sha256(buffer) {
  if (!globalThis.crypto?.subtle) return null;
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const READERS = {
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => Float32Array.from(new Uint16Array(bytes), widen),
  U8: (bytes) => new Uint8Array(bytes),
};

/** Tensors of a safetensors file by name: {shape, data}. Throws for a type that the post does not publish. */
export function parseSafetensors(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const read = READERS[dtype];
    if (!read) throw new Error(`${name} is ${dtype}: expected ${Object.keys(READERS).join(", ")}`);
    tensors[name] = { shape, data: read(buffer.slice(8 + length + start, 8 + length + end)) };
  }
  return tensors;
}

/** A half-precision number from its sixteen bits: sign, five of exponent, ten of fraction. */
function widen(bits) {
  const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
