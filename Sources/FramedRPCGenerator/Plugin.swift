internal import Foundation
internal import SwiftProtobuf
internal import SwiftProtobufPluginLibrary

/// The protoc plugin. Its options (`--framedrpc_opt`):
/// - `emit=c`: C structs, guard tables, umbrella header and module map of the C target `module`;
/// - `emit=swift`: value types of the Swift module `module` over the C module `c_module`;
/// - `emit=swift_services`: client and server stubs;
/// - `emit=swift_schema`: the schema as bytes, for reflection;
/// - `emit=python`: client stubs against the package `framedrpc`, beside protoc's own `--python_out`;
/// - `emit=markdown`: one page, api.md, that describes all of it; `title` is its heading;
/// - `imports=A+B`: modules that the generated Swift imports besides, for types of files not generated in this run.
public enum Plugin {
  /// Reads protoc's request and returns what it wants to read back. Errors of the schema are part of the answer.
  public static func respond(to request: [UInt8]) throws -> [UInt8] {
    let request = try Google_Protobuf_Compiler_CodeGeneratorRequest(serializedBytes: request)
    var response = Google_Protobuf_Compiler_CodeGeneratorResponse()
    response.supportedFeatures = UInt64(Google_Protobuf_Compiler_CodeGeneratorResponse.Feature.proto3Optional.rawValue)
    do {
      response.file = try generate(request).map { file in
        .with {
          $0.name = file.path
          $0.content = file.text
        }
      }
    } catch let error as GenerationError {
      response.error = error.description
    }
    return try response.serializedBytes()
  }

  private static func generate(_ request: Google_Protobuf_Compiler_CodeGeneratorRequest) throws -> [GeneratedFile] {
    var options: [String: String] = [:]
    for pair in request.parameter.split(separator: ",") {
      let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, ["emit", "module", "c_module", "imports", "title"].contains(parts[0]) else {
        throw GenerationError("unknown option '\(pair)'")
      }
      options[parts[0]] = parts[1]
    }
    func option(_ name: String) throws -> String {
      guard let value = options[name] else { throw GenerationError("option '\(name)' is missing") }
      return value
    }
    let imports = (options["imports"] ?? "").split(separator: "+").map(String.init)
    let schema = try read(request)
    switch try option("emit") {
    case "c":
      let compiled = try CompilerForC.run(CRequest.rewrite(request)).map { file in
        GeneratedFile(path: (file.path.hasSuffix(".h") ? "include/" : "Generated/") + file.path, text: file.text)
      }
      return try compiled + CEmitter(module: option("module")).emit(schema)
    case "swift":
      return try SwiftMessageEmitter(module: option("module"), cModule: option("c_module"), imports: imports).emit(
        schema)
    case "swift_services":
      return SwiftServiceEmitter(module: try option("module"), imports: imports).emit(schema)
    case "swift_schema":
      return try SchemaEmitter(module: option("module")).emit(request.protoFile)
    case "python":
      return PythonEmitter().emit(schema)
    case "markdown":
      return MarkdownEmitter(title: try option("title")).emit(schema)
    case let other:
      throw GenerationError("no emitter for '\(other)'")
    }
  }

  private static func read(_ request: Google_Protobuf_Compiler_CodeGeneratorRequest) throws -> Schema {
    // The comments of protobuf's own files teach their use from other languages, at length.
    let set = DescriptorSet(
      protos: request.protoFile.map { file in
        var file = file
        if file.package == "google.protobuf" { file.clearSourceCodeInfo() }
        return file
      })
    let generated = Set(request.fileToGenerate)
    for file in request.protoFile where generated.contains(file.name) && file.syntax != "proto3" {
      throw GenerationError("\(file.name): only proto3 is supported")
    }
    let files = request.fileToGenerate.compactMap { set.fileDescriptor(named: $0) }
    return try SchemaReader().read(files)
  }
}
