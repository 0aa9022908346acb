import Foundation
import FramedRPCGenerator
import SwiftProtobuf
import SwiftProtobufPluginLibrary
import Testing

/// Runs the plugin as protoc would.
enum PluginRun {
  struct Failure: Error, Equatable {
    var message: String
  }

  static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  static let golden = tests.appendingPathComponent("Kinds/Golden")

  /// The generated files by path.
  static func generate(_ proto: String, in folder: URL, options: String) throws -> [String: String] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "protoc", "-I", folder.path, "-I", tests.deletingLastPathComponent().appendingPathComponent("proto").path,
      "-I", "/usr/include", "--include_imports", "--include_source_info", "--descriptor_set_out=/dev/stdout", proto,
    ]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure(message: "protoc: \(process.terminationStatus)") }

    var request = Google_Protobuf_Compiler_CodeGeneratorRequest()
    request.protoFile = try Google_Protobuf_FileDescriptorSet(serializedBytes: bytes).file
    request.fileToGenerate = [proto]
    request.parameter = options
    let response = try Google_Protobuf_Compiler_CodeGeneratorResponse(
      serializedBytes: Plugin.respond(to: request.serializedBytes()))
    guard response.error.isEmpty else { throw Failure(message: response.error) }
    #expect(response.supportedFeatures == 1)  // proto3 optional
    return Dictionary(uniqueKeysWithValues: response.file.map { ($0.name, $0.content) })
  }

  /// As above, of a schema given as text.
  static func generate(_ schema: String, options: String) throws -> [String: String] {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("generator-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try schema.write(to: folder.appendingPathComponent("x.proto"), atomically: true, encoding: .utf8)
    return try generate("x.proto", in: folder, options: options)
  }
}

/// What is generated from Golden/demo.proto is compared with the files beside it. After a change that is meant:
/// `UPDATE_GOLDEN=1 swift test --filter FramedRPCGeneratorTests`, and read the difference.
@Suite("Golden files")
struct GoldenTests {
  @Test(
    "generated text is the one that was read and approved",
    arguments: [
      ("emit=swift,module=Demo,c_module=CDemo,imports=FramedMessages", ["demo.swift"]),
      ("emit=swift_services,module=Demo,imports=FramedMessages", ["demo_v1_ItemService.swift"]),
      ("emit=python", ["demo.py"]),
      ("emit=markdown,title=Demo", ["api.md"]),
      (
        "emit=c,module=CDemo",
        ["Generated/demo.guard.c", "include/CDemo.h", "include/demo.guard.h", "include/module.modulemap"]
      ),
    ])
  func golden(options: String, files: [String]) throws {
    let generated = try PluginRun.generate("demo.proto", in: PluginRun.golden, options: options)
    #expect(Set(files).isSubset(of: generated.keys))
    // protoc-gen-c's own output is Debian's business.
    #expect(generated.keys.filter { !$0.contains(".pb-c.") }.sorted() == files.sorted())
    for file in files {
      let place = PluginRun.golden.appendingPathComponent(file.split(separator: "/").last.map(String.init) ?? file)
      if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] != nil {
        try generated[file]?.write(to: place, atomically: true, encoding: .utf8)
      }
      #expect(generated[file] == (try String(contentsOf: place, encoding: .utf8)), "\(file)")
    }
  }

  @Test("C is generated without protobuf-c's losses")
  func structs() throws {
    let generated = try PluginRun.generate("demo.proto", in: PluginRun.golden, options: "emit=c,module=CDemo")
    let header = try #require(generated["include/demo.pb-c.h"])
    #expect(header.contains("ProtobufCBinaryData item_id;"))
    #expect(!header.contains("char *"))
    #expect(header.contains("Demo__V1__Item__RankCase _rank_case;"))
    #expect(!header.contains("framedrpc"))
    #expect(!header.contains("ItemService"))
    #expect(generated["Generated/demo.pb-c.c"] != nil)
  }
}

@Suite("Schemas and options that are refused")
struct RefusalTests {
  private func message(_ schema: String, options: String = "emit=swift_services,module=X") throws -> String {
    let failure = #expect(throws: PluginRun.Failure.self) { try PluginRun.generate(schema, options: options) }
    return try #require(failure).message
  }

  private func service(_ method: String) -> String {
    """
    syntax = "proto3"; package x; import "framedrpc/v1/options.proto";
    message M { string id = 1; }
    service S { \(method) }
    """
  }

  @Test("proto2")
  func proto2() throws {
    #expect(try message("syntax = \"proto2\"; package x; message M {}") == "x.proto: only proto3 is supported")
  }

  @Test("client streaming")
  func clientStreaming() throws {
    #expect(try message(service("rpc A(stream M) returns (M);")) == "x.S.A: client streaming is not supported")
  }

  @Test("a stream without a mode, and a mode without a stream")
  func modes() throws {
    let text = "x.S.A: a method returns a stream if, and only if, its option stream names a mode"
    #expect(try message(service("rpc A(M) returns (stream M);")) == text)
    #expect(try message(service("rpc A(M) returns (M) { option (framedrpc.v1.method) = {stream: LATEST}; }")) == text)
  }

  @Test("a key that is no field of the response")
  func key() throws {
    let method = "rpc A(M) returns (stream M) { option (framedrpc.v1.method) = {stream: LATEST key: \"no\"}; }"
    #expect(try message(service(method)) == "x.S.A: its option key names no string of x.M")
  }

  @Test("options of the plugin", arguments: ["", "emit=cobol,module=X", "emit=c", "lang=swift", "emit=swift,module=X"])
  func options(_ options: String) throws {
    let text = try message("syntax = \"proto3\"; package x; message M {}", options: options)
    #expect(
      [
        "option 'emit' is missing", "no emitter for 'cobol'", "option 'module' is missing",
        "unknown option 'lang=swift'",
        "option 'c_module' is missing",
      ].contains(text))
  }

  @Test("bytes that are no request")
  func garbage() {
    #expect(throws: (any Error).self) { try Plugin.respond(to: [0xff, 0xff, 0xff]) }
  }
}
