"""Say what is heard in sound files, with what certainty: python classify.py BUNDLE SOUND..."""

import sys

from tinyclap import Bundle, TinyclapError

if len(sys.argv) < 3:
    sys.exit(__doc__)
try:
    bundle = Bundle.load(sys.argv[1])  # one folder, made by `tinyclap export --onnx`
    for sound in sys.argv[2:]:
        best = bundle.classify(sound, top_k=3)[0]  # any length, sample rate and number of channels
        print(sound, *(f"{label} {probability:.0%}" for label, _, probability in best), sep="\t")
except TinyclapError as error:  # a damaged bundle, a file that is no audio: the message says what to do
    sys.exit(f"error: {error}")
