internal import Foundation
internal import FramedRPCGenerator

// protoc speaks to its plugins over standard input and output; docs of the options: ``Plugin``.
do {
  let request = try FileHandle.standardInput.readToEnd() ?? Data()
  try FileHandle.standardOutput.write(contentsOf: Data(Plugin.respond(to: Array(request))))
} catch {
  try? FileHandle.standardError.write(contentsOf: Data("protoc-gen-framedrpc: \(error)\n".utf8))
  exit(1)
}
