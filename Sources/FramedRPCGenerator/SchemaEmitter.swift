internal import Foundation
internal import SwiftProtobuf

/// Emits the schema itself, as bytes in Swift source: what a server's reflection answers.
struct SchemaEmitter {
  var module: String

  /// - Parameter files: all that were read, imports before those that import them.
  func emit(_ files: [Google_Protobuf_FileDescriptorProto]) throws -> [GeneratedFile] {
    var set = Google_Protobuf_FileDescriptorSet()
    set.file = files.map { file in
      var file = file
      // Where a comment stands is for editors; what it says is for readers. Protobuf's own files teach at length.
      if file.package == "google.protobuf" {
        file.clearSourceCodeInfo()
      } else {
        file.sourceCodeInfo.location = file.sourceCodeInfo.location.filter(\.hasLeadingComments).map { location in
          var kept = Google_Protobuf_SourceCodeInfo.Location()
          kept.path = location.path
          kept.leadingComments = location.leadingComments
          return kept
        }
      }
      return file
    }
    var options = BinaryEncodingOptions()
    options.useDeterministicOrdering = true
    let bytes: [UInt8] = try set.serializedBytes(options: options)
    var text = SourceText()
    text.lines(SwiftMessageEmitter.banner("its files"))
    text.line("internal import Foundation")
    text.line()
    text.documentation(["What the services of this module are made of."])
    text.block("public enum \(module)Schema {") { text in
      text.documentation([
        "A serialized `google.protobuf.FileDescriptorSet` with comments; files after those they import."
      ])
      text.line("public static let fileDescriptorSet = [UInt8](")
      text.line("  Data(base64Encoded: base64, options: .ignoreUnknownCharacters) ?? Data())")
      text.line()
      text.line("private static let base64 = \"\"\"")
      text.indented { text in
        var rest = Substring(Data(bytes).base64EncodedString())
        while !rest.isEmpty {
          text.line(String(rest.prefix(112)))
          rest = rest.dropFirst(112)
        }
        text.line("\"\"\"")
      }
    }
    return [GeneratedFile(path: "\(module)Schema.swift", text: text.text)]
  }
}
