package tinyclap;

/** The C that `tinyclap export --c` writes. Its state is static: call it from one thread. */
public final class Tinyclap {
    /** What `push` returns. */
    public static final int MORE = 0, EMBEDDING = 1, SILENCE = 2;

    static {
        System.loadLibrary("tinyclap_jni");
    }

    private Tinyclap() {}

    /** Hz, of all samples. */
    public static native int sampleRate();

    /** Samples that are heard at once. */
    public static native int windowSamples();

    /** Numbers of an embedding. */
    public static native int embedDim();

    /** How many labels there are. */
    public static native int labels();

    /** The text of a label. */
    public static native String label(int number);

    /** Forget all samples of the stream. */
    public static native void start();

    /**
     * Take samples of a stream from `samples[from[0]]` on, up to `samples[end - 1]`, until a window is complete.
     *
     * @param from its only number moves on; call again while it is below `end`
     * @param embedding of embedDim() numbers, filled where EMBEDDING is returned
     * @return MORE, EMBEDDING or SILENCE
     */
    public static native int push(short[] samples, int[] from, int end, float[] embedding);

    /** The probabilities of all labels, and the number of the best. */
    public static native int classify(float[] embedding, float[] probabilities);
}
