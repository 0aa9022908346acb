internal import SwiftProtobuf
internal import SwiftProtobufPluginLibrary

/// Rewrites protoc's request so that protoc-gen-c 1.4 generates C without its losses. The wire format stays the same:
/// - strings become counted bytes (`char *` ends at the first NUL);
/// - `optional` scalars stay the synthetic oneofs that protoc made of them, and floating point numbers become the same
///   (protobuf-c takes -0.0 for absent);
/// - entries of maps become ordinary messages with explicit key and value (an entry is written as other languages write it);
/// - services, our own options and what only they need are left out.
enum CRequest {
  /// Files that only declare options: nothing of them reaches C.
  static let optionFiles: Set<String> = ["framedrpc/v1/options.proto", "google/protobuf/descriptor.proto"]

  static func rewrite(
    _ request: Google_Protobuf_Compiler_CodeGeneratorRequest
  ) throws -> Google_Protobuf_Compiler_CodeGeneratorRequest {
    var result = request
    result.parameter = ""
    result.protoFile = try request.protoFile.filter { !optionFiles.contains($0.name) }.map(rewrite)
    return result
  }

  private static func rewrite(
    _ file: Google_Protobuf_FileDescriptorProto
  ) throws -> Google_Protobuf_FileDescriptorProto {
    var file = file
    file.dependency.removeAll(where: optionFiles.contains)
    guard file.publicDependency.isEmpty, file.weakDependency.isEmpty else {
      throw GenerationError("\(file.name): public and weak imports are not supported")
    }
    file.service = []
    file.extension = []
    file.clearSourceCodeInfo()
    file.options = Google_Protobuf_FileOptions()
    file.messageType = try file.messageType.map(rewrite)
    return file
  }

  private static func rewrite(_ message: Google_Protobuf_DescriptorProto) throws -> Google_Protobuf_DescriptorProto {
    var message = message
    let isEntry = message.options.mapEntry
    message.options = Google_Protobuf_MessageOptions()
    message.nestedType = try message.nestedType.map(rewrite)

    let synthetic = Set(message.field.filter(\.proto3Optional).map(\.oneofIndex))
    message.oneofDecl.removeLast(synthetic.count)  // protoc puts them behind all others
    for index in message.field.indices {
      var field = message.field[index]
      var options = Google_Protobuf_FieldOptions()
      if field.options.hasPacked { options.packed = field.options.packed }
      if field.type == .string { try options.merge(serializedBytes: stringAsBytes) }
      field.options = options
      if field.proto3Optional { field.clearOneofIndex() }
      let isPlain = field.label != .repeated && field.type != .message && !field.hasOneofIndex
      let isExplicit = field.proto3Optional || isEntry || field.type == .float || field.type == .double
      field.clearProto3Optional()
      if isPlain && isExplicit {
        field.proto3Optional = true
        field.oneofIndex = Int32(message.oneofDecl.count)
        message.oneofDecl.append(.with { $0.name = "_" + field.name })
      }
      message.field[index] = field
    }
    return message
  }

  /// `(pb_c_field).string_as_bytes = true`: extension 1019 of FieldOptions, whose field 1 is true.
  private static let stringAsBytes: [UInt8] = [0xda, 0x3f, 0x02, 0x08, 0x01]
}
