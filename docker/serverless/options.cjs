// Options of our own for `sls`: --bucket, --architecture, --snapstart. Serverless knows only its own and --param.
"use strict";

const options = {
  bucket: { usage: "Bucket whose rasters may be read", type: "string" },
  architecture: { usage: "Processor of the function: x86_64 or arm64", type: "string" },
  snapstart: { usage: "Take a snapshot of each version: true or false", type: "string" },
};

module.exports = class Options {
  constructor() {
    this.commands = Object.fromEntries(["deploy", "package", "print", "remove", "info"].map((name) => [name, { options }]));
  }
};
