// Labels of what a microphone hears. `read_microphone` is yours: samples of 16 bits at TINYCLAP_SAMPLE_RATE.
#include <tinyclap.h>

size_t read_microphone(int16_t *samples, size_t most);

static float embedding[TINYCLAP_EMBED_DIM];
static int16_t block[256];

void setup() { Serial.begin(115200); }

void loop() {
  const int16_t *samples = block;
  size_t n = read_microphone(block, 256);
  while (n > 0) {
    if (tinyclap_push(&samples, &n, embedding) != TINYCLAP_EMBEDDING) continue;
#if TINYCLAP_LABELS > 0
    static float probabilities[TINYCLAP_LABELS];
    const int best = tinyclap_classify(embedding, probabilities);
    Serial.print(tinyclap_label(best));
    Serial.print(' ');
    Serial.println(probabilities[best]);
#else
    Serial.println(embedding[0]);
#endif
  }
}
