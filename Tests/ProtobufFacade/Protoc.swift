import Foundation

/// protoc as the peer: the reference implementation's encoder and decoder.
enum Protoc {
  struct Failure: Error {
    var status: Int32
  }

  /// The bytes of a message given in protobuf's text format; entries of maps in order.
  static func encode(_ text: String, as message: String = "kinds.v1.Kinds") throws -> [UInt8] {
    try run(["--encode=\(message)", "--deterministic_output"], input: Array(text.utf8))
  }

  /// The text format of a message's bytes.
  static func decode(_ bytes: [UInt8], as message: String = "kinds.v1.Kinds") throws -> String {
    String(decoding: try run(["--decode=\(message)"], input: bytes), as: UTF8.self)
  }

  private static func run(_ arguments: [String], input: [UInt8]) throws -> [UInt8] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let kinds = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Kinds").path
    process.arguments = ["protoc", "-I", kinds, "-I", "/usr/include"] + arguments + ["kinds.proto"]
    let (stdin, stdout) = (Pipe(), Pipe())
    process.standardInput = stdin
    process.standardOutput = stdout
    try process.run()
    try stdin.fileHandleForWriting.write(contentsOf: input)
    try stdin.fileHandleForWriting.close()
    let output = try stdout.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure(status: process.terminationStatus) }
    return Array(output)
  }
}

/// Pieces of the wire format, written by hand.
enum Wire {
  static func varint(_ value: UInt64) -> [UInt8] {
    var rest = value
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  static func key(_ field: Int, _ type: Int) -> [UInt8] { varint(UInt64(field << 3 | type)) }

  static func bytes(_ field: Int, _ content: [UInt8]) -> [UInt8] {
    key(field, 2) + varint(UInt64(content.count)) + content
  }
}
