// Starts the suite's scripted origin on a free loopback port; the suite's own line on stdout says which.
//
//   node origin.mjs SUITE_ENGINE_FOLDER
//
// The suite listens on every address at a fixed port; a test of ours listens on loopback at a port nobody else has.
import http from 'node:http'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const listen = http.Server.prototype.listen
http.Server.prototype.listen = function () {
  return listen.call(this, 0, '127.0.0.1')
}

await import(pathToFileURL(path.join(process.argv[2], 'server', 'server.mjs')))
