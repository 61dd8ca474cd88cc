// Translates beside the page's own thread: subwords, the encoder once, then a step of the decoder for each token.

import * as runtime from "../../theme/vendor/onnxruntime-web/ort.wasm.min.mjs";
import { beamSearch } from "./beam.js";
import { load, parse } from "./files.js";
import { Subwords } from "./subwords.js";

const RUNTIME = new URL("../../theme/vendor/onnxruntime-web/", import.meta.url);
const WEIGHTS = "translate.weights.safetensors";
const FILES = [WEIGHTS, ...["encoder.onnx", "decoder.onnx", "subwords.json", "json"].map((end) => `translate.${end}`)];
const { Tensor, InferenceSession, env } = runtime;
let settings, subwords, encoder, decoder;

async function unpack(name) {
  const response = await fetch(new URL(name, RUNTIME));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return new Response(response.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** Load everything. Whether the search here finds what PyTorch's does, the page asks when it is ready for its reader. */
async function start({ digests }) {
  const [binary, ...files] = await Promise.all([
    unpack("ort-wasm-simd-threaded.wasm.gzip"), ...FILES.map((name) => load(name, digests))]);
  const [weights, ...graphs] = files.slice(0, 3).map(({ buffer }) => new Uint8Array(buffer));
  subwords = new Subwords(parse(files[3]));
  settings = parse(files[4]);
  Object.assign(env.wasm, { numThreads: 1, wasmPaths: RUNTIME.href, wasmBinary: binary });
  const externalData = [{ path: WEIGHTS, data: weights }];
  [encoder, decoder] = [await InferenceSession.create(graphs[0], { externalData }),
    await InferenceSession.create(graphs[1], { externalData })];
  return { settings, files: files.map(({ name, digest }) => ({ name, digest })) };
}

const whole = (numbers, ...shape) => new Tensor("int32", Int32Array.from(numbers), shape);

/** The best hypothesis: its tokens, score and maps, and both sides as text. */
async function translate({ text }) {
  const { layers, heads, d_k, end, longest, longer, unknown } = settings;
  const source = [...subwords.encode(text).slice(0, longest - longer - 1), end];
  const memory = await encoder.run({ source: whole(source, 1, source.length) });
  let [keys, values] = [0, 1].map(() => new Tensor("float32", new Float32Array(0), [layers, 1, heads, 0, d_k]));
  const step = async (tokens, parents) => {
    const rows = tokens.length, width = heads * source.length;
    const inputs = { tokens: whole(tokens, rows), parents: whole(parents, rows), past_keys: keys, past_values: values };
    const { logits, attention, ...grown } = await decoder.run({ ...inputs, ...memory });
    ({ keys, values } = grown);
    const size = logits.dims[1];
    return {
      logits: (row) => logits.data.subarray(row * size, (row + 1) * size),
      /** The weights over the source, a layer after the other and in it a head after the other. */
      map: (row) => Array.from({ length: layers }, (_, layer) => layer * rows + row)
        .flatMap((place) => [...attention.data.subarray(place * width, (place + 1) * width)]),
    };
  };
  const begun = performance.now();
  const { tokens, score, maps } = await beamSearch(step, settings, source.length + longer);
  const pieces = (ids) => ids.map((id) => subwords.pieces[id]);
  return {
    tokens, score, maps, milliseconds: performance.now() - begun, unknown: source.filter((id) => id === unknown).length,
    translation: subwords.decode(tokens), source: pieces(source), written: pieces([...tokens, end]).slice(0, maps.length),
  };
}

addEventListener("message", async ({ data: { ask, ...values } }) => {
  try {
    postMessage(await { start, translate }[ask](values));
  } catch (error) {
    postMessage({ error: error.message });
  }
});
