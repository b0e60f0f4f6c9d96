/* The native methods of Tinyclap.java. */

#include "tinyclap.h"

#include <jni.h>

#define NATIVE(type, name) JNIEXPORT type JNICALL Java_tinyclap_Tinyclap_##name

static int refuse(JNIEnv *env, const char *why)
{
    jclass kind = (*env)->FindClass(env, "java/lang/IllegalArgumentException");
    if (kind != NULL)
        (*env)->ThrowNew(env, kind, why);
    return -1;
}

NATIVE(jint, sampleRate)(JNIEnv *env, jclass c) { return (void)env, (void)c, TINYCLAP_SAMPLE_RATE; }
NATIVE(jint, windowSamples)(JNIEnv *env, jclass c) { return (void)env, (void)c, TINYCLAP_WINDOW; }
NATIVE(jint, embedDim)(JNIEnv *env, jclass c) { return (void)env, (void)c, TINYCLAP_EMBED_DIM; }
NATIVE(jint, labels)(JNIEnv *env, jclass c) { return (void)env, (void)c, TINYCLAP_LABELS; }
NATIVE(void, start)(JNIEnv *env, jclass c) { (void)env, (void)c, tinyclap_start(); }

NATIVE(jint, push)(JNIEnv *env, jclass c, jshortArray samples, jintArray from, jint end, jfloatArray embedding)
{
    static float made[TINYCLAP_EMBED_DIM];
    jshort block[1024];
    tinyclap_event event = TINYCLAP_MORE;
    jint at;
    (void)c;
    if (samples == NULL || from == NULL || embedding == NULL)
        return refuse(env, "expected arrays, got null");
    if ((*env)->GetArrayLength(env, embedding) != TINYCLAP_EMBED_DIM)
        return refuse(env, "embedding: expected an array of embedDim() numbers");
    if ((*env)->GetArrayLength(env, from) != 1)
        return refuse(env, "from: expected an array of one number");
    (*env)->GetIntArrayRegion(env, from, 0, 1, &at);
    if (at < 0 || at > end || end > (*env)->GetArrayLength(env, samples))
        return refuse(env, "from and end: not within the samples");
    while (event == TINYCLAP_MORE && at < end) {
        size_t n = (size_t)(end - at < 1024 ? end - at : 1024);
        const int16_t *next = block;
        (*env)->GetShortArrayRegion(env, samples, at, (jsize)n, block);
        while (event == TINYCLAP_MORE && n > 0)
            event = tinyclap_push(&next, &n, made);
        at += (jint)(next - block);
    }
    (*env)->SetIntArrayRegion(env, from, 0, 1, &at);
    if (event == TINYCLAP_EMBEDDING)
        (*env)->SetFloatArrayRegion(env, embedding, 0, TINYCLAP_EMBED_DIM, made);
    return (jint)event;
}

#if TINYCLAP_LABELS > 0
NATIVE(jstring, label)(JNIEnv *env, jclass c, jint number)
{
    jbyteArray bytes;
    jclass string = (*env)->FindClass(env, "java/lang/String");
    const char *text;
    jsize length = 0;
    (void)c;
    if (number < 0 || number >= TINYCLAP_LABELS)
        return refuse(env, "there is no such label"), NULL;
    text = tinyclap_label(number);
    while (text[length] != 0)
        length++;
    bytes = (*env)->NewByteArray(env, length); /* NewStringUTF takes another UTF-8 than C has */
    if (string == NULL || bytes == NULL)
        return NULL;
    (*env)->SetByteArrayRegion(env, bytes, 0, length, (const jbyte *)text);
    return (*env)->NewObject(env, string, (*env)->GetMethodID(env, string, "<init>", "([BLjava/lang/String;)V"), bytes,
                             (*env)->NewStringUTF(env, "UTF-8"));
}

NATIVE(jint, classify)(JNIEnv *env, jclass c, jfloatArray embedding, jfloatArray probabilities)
{
    float made[TINYCLAP_EMBED_DIM], found[TINYCLAP_LABELS];
    int best;
    (void)c;
    if (embedding == NULL || probabilities == NULL)
        return refuse(env, "expected arrays, got null");
    if ((*env)->GetArrayLength(env, embedding) != TINYCLAP_EMBED_DIM ||
        (*env)->GetArrayLength(env, probabilities) != TINYCLAP_LABELS)
        return refuse(env, "expected arrays of embedDim() and labels() numbers");
    (*env)->GetFloatArrayRegion(env, embedding, 0, TINYCLAP_EMBED_DIM, made);
    best = tinyclap_classify(made, found);
    (*env)->SetFloatArrayRegion(env, probabilities, 0, TINYCLAP_LABELS, found);
    return best;
}
#endif
