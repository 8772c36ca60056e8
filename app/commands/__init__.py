"""The commands of ``tilery``, one module a subject: words in, calls of `app.publishing` and the like, words out."""
