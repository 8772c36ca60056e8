"""The commands of ``tilery``, one module a subject: words in, calls of `tilery.publishing` and the like, words out."""
