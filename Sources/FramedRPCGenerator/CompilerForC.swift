internal import Foundation
internal import SwiftProtobuf
internal import SwiftProtobufPluginLibrary

/// Runs Debian's protoc-gen-c.
enum CompilerForC {
  /// The generated headers and sources by protoc's names for them.
  static func run(_ request: Google_Protobuf_Compiler_CodeGeneratorRequest) throws -> [GeneratedFile] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["protoc-gen-c"]
    let input = Pipe()
    let output = Pipe()
    process.standardInput = input
    process.standardOutput = output
    do {
      try process.run()
      // It reads its whole input before it writes anything.
      try input.fileHandleForWriting.write(contentsOf: request.serializedData())
      try input.fileHandleForWriting.close()
    } catch {
      throw GenerationError("protoc-gen-c cannot be run (Debian package protobuf-c-compiler): \(error)")
    }
    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw GenerationError("protoc-gen-c failed with status \(process.terminationStatus)")
    }
    let response = try Google_Protobuf_Compiler_CodeGeneratorResponse(serializedBytes: bytes)
    guard response.error.isEmpty else { throw GenerationError("protoc-gen-c: \(response.error)") }
    var files: [GeneratedFile] = []
    for file in response.file {
      guard file.insertionPoint.isEmpty else { throw GenerationError("protoc-gen-c used an insertion point") }
      // A file without a name continues the one before it.
      if file.name.isEmpty, !files.isEmpty {
        files[files.count - 1].text += file.content
      } else {
        files.append(GeneratedFile(path: file.name, text: file.content))
      }
    }
    return files
  }
}
