// ResNet-20 on one picture, as in model.py: 3 × 3 convolutions with their norms folded in, and what goes around a block.
// A picture of channels is {channels, side, data}, channel after channel, row after row.

/** A picture with a border of zeros, one pixel wide, so that convolutions need not look where they are. */
function framed({ channels, side, data }) {
  const wide = side + 2, out = new Float32Array(channels * wide * wide);
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < side; row++) {
      const from = (c * side + row) * side;
      out.set(data.subarray(from, from + side), (c * wide + row + 1) * wide + 1);
    }
  }
  return out;
}

/** A 3 × 3 convolution with padding 1; weight is (outputs, channels, 3, 3). */
export function convolve(picture, tensors, name, stride = 1) {
  const { channels, side } = picture, wide = side + 2, small = side / stride;
  const { shape: [outputs], data: weight } = tensors[`${name}.weight`], bias = tensors[`${name}.bias`].data;
  const x = framed(picture), y = new Float32Array(outputs * small * small);
  for (let o = 0; o < outputs; o++) {
    y.fill(bias[o], o * small * small, (o + 1) * small * small);
    for (let c = 0; c < channels; c++) {
      const w = (o * channels + c) * 9;
      const [a, b, d, e, f, g, h, i, j] = weight.subarray(w, w + 9);
      for (let row = 0; row < small; row++) {
        let top = (c * wide + row * stride) * wide, at = (o * small + row) * small;
        for (const end = at + small; at < end; at++, top += stride) {
          const middle = top + wide, low = middle + wide;
          y[at] += a * x[top] + b * x[top + 1] + d * x[top + 2] + e * x[middle] + f * x[middle + 1] +
            g * x[middle + 2] + h * x[low] + i * x[low + 1] + j * x[low + 2];
        }
      }
    }
  }
  return { channels: outputs, side: small, data: y };
}

function rectify(picture) {
  const { data } = picture;
  for (let i = 0; i < data.length; i++) if (data[i] < 0) data[i] = 0;
  return picture;
}

/** Adds option A of a picture, every second pixel where the side halves, to the first channels of another. */
export function addShortcut(target, { channels, side, data }) {
  const stride = side / target.side, small = target.side;
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < small; row++) {
      for (let column = 0; column < small; column++) {
        target.data[(c * small + row) * small + column] += data[(c * side + row * stride) * side + column * stride];
      }
    }
  }
}

/** How many blocks the published network has. */
export const blocksOf = (tensors) => Object.keys(tensors).filter((name) => name.endsWith(".conv1.bias")).length;

/** Bytes (32, 32, 3) minus the mean picture, channel after channel. */
export function centred(bytes, mean) {
  const colours = 3, pixels = bytes.length / colours, data = new Float32Array(bytes.length);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < colours; c++) data[c * pixels + i] = bytes[colours * i + c] / 255 - mean[colours * i + c];
  }
  return { channels: colours, side: Math.sqrt(pixels), data };
}

/** Logits of a centred picture, and what leaves each block. `on` says of each shortcut whether it carries anything. */
export function classify(tensors, picture, on) {
  const maps = [];
  let x = rectify(convolve(picture, tensors, "conv"));
  on.forEach((carries, n) => {
    const widens = tensors[`blocks.${n}.conv1.bias`].data.length > x.channels;
    const inner = rectify(convolve(x, tensors, `blocks.${n}.conv1`, widens ? 2 : 1));
    const y = convolve(inner, tensors, `blocks.${n}.conv2`);
    if (carries) addShortcut(y, x);
    maps.push((x = rectify(y)));
  });
  const pixels = x.side * x.side, { shape: [classes], data: weight } = tensors["classify.weight"];
  const logits = Float32Array.from(tensors["classify.bias"].data);
  for (let c = 0; c < x.channels; c++) {
    let sum = 0;
    for (let i = 0; i < pixels; i++) sum += x.data[c * pixels + i];
    for (let k = 0; k < classes; k++) logits[k] += (weight[k * x.channels + c] * sum) / pixels;
  }
  return { logits, maps };
}

export function softmax(logits) {
  const largest = Math.max(...logits), powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/** The largest difference between the logits here and PyTorch's, over the first `count` examples and three settings. */
export function difference(tensors, { images, mean, logits, without_second, without_any }, count = images.shape[0]) {
  const blocks = blocksOf(tensors), size = images.data.length / images.shape[0], [, classes] = logits.shape;
  const settings = [[logits, () => true], [without_second, (n) => n !== 1], [without_any, () => false]];
  let largest = 0;
  for (let i = 0; i < count; i++) {
    const picture = centred(images.data.subarray(i * size, (i + 1) * size), mean.data);
    for (const [expected, carries] of settings) {
      const found = classify(tensors, picture, Array.from({ length: blocks }, (_, n) => carries(n))).logits;
      const scale = Math.max(1, ...expected.data.subarray(i * classes, (i + 1) * classes).map(Math.abs));
      found.forEach((logit, k) => {
        largest = Math.max(largest, Math.abs(logit - expected.data[i * classes + k]) / scale);
      });
    }
  }
  return largest;
}
