// The microphone's samples, one channel, in blocks.
const LENGTH = 2048;

class Blocks extends AudioWorkletProcessor {
  block = new Float32Array(LENGTH);
  filled = 0;

  process([channels]) {
    const count = channels.length, length = count ? channels[0].length : 0;
    for (let at = 0; at < length; at++) {
      let sum = 0;
      for (const channel of channels) sum += channel[at];
      this.block[this.filled++] = sum / count;
      if (this.filled === LENGTH) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.block = new Float32Array(LENGTH);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("blocks", Blocks);
