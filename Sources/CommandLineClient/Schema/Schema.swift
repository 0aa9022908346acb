internal import Foundation
internal import SwiftProtobuf

/// What a server says of itself by reflection: its services, and the messages and enums they speak with.
public struct Schema: Sendable {
  typealias Message = Google_Protobuf_DescriptorProto
  typealias Field = Google_Protobuf_FieldDescriptorProto
  typealias Enumeration = Google_Protobuf_EnumDescriptorProto

  /// A method: `package.Service/Method`, and what goes in and comes out.
  public struct Method: Sendable, Equatable {
    public var name: String
    public var request: String
    public var response: String
    public var isStream: Bool
    var comment: String
  }

  /// Full names, sorted.
  public let services: [String]
  private(set) var methods: [String: [Method]] = [:]
  private(set) var messages: [String: Message] = [:]
  private(set) var enums: [String: Enumeration] = [:]
  /// By full name; of a field `package.Message.field`.
  private(set) var comments: [String: String] = [:]

  public init(services: [String], fileDescriptorSet: [UInt8]) throws(CommandLineError) {
    self.services = services
    let set: Google_Protobuf_FileDescriptorSet
    do { set = try Google_Protobuf_FileDescriptorSet(serializedBytes: fileDescriptorSet) } catch {
      throw CommandLineError(.unreachable, "INTERNAL", "The server's schema cannot be read: \(error).")
    }
    for file in set.file { read(file) }
  }

  private mutating func read(_ file: Google_Protobuf_FileDescriptorProto) {
    let said = Dictionary(
      file.sourceCodeInfo.location.map { ($0.path, $0.leadingComments) }, uniquingKeysWith: { first, _ in first })
    let prefix = file.package.isEmpty ? "" : file.package + "."
    for (index, message) in file.messageType.enumerated() { read(message, prefix, [4, Int32(index)], said) }
    for (index, type) in file.enumType.enumerated() { read(type, prefix, [5, Int32(index)], said) }
    for (index, service) in file.service.enumerated() {
      let name = prefix + service.name
      comments[name] = said[[6, Int32(index)]]
      methods[name] = service.method.enumerated().map { place, method in
        Method(
          name: "\(name)/\(method.name)", request: Self.full(method.inputType), response: Self.full(method.outputType),
          isStream: method.serverStreaming, comment: said[[6, Int32(index), 2, Int32(place)]] ?? "")
      }
    }
  }

  private mutating func read(_ message: Message, _ prefix: String, _ path: [Int32], _ said: [[Int32]: String]) {
    let name = prefix + message.name
    messages[name] = message
    comments[name] = said[path]
    for (index, field) in message.field.enumerated() {
      comments["\(name).\(field.name)"] = said[path + [2, Int32(index)]]
    }
    for (index, inner) in message.nestedType.enumerated() { read(inner, name + ".", path + [3, Int32(index)], said) }
    for (index, inner) in message.enumType.enumerated() { read(inner, name + ".", path + [4, Int32(index)], said) }
  }

  private mutating func read(_ type: Enumeration, _ prefix: String, _ path: [Int32], _ said: [[Int32]: String]) {
    let name = prefix + type.name
    enums[name] = type
    comments[name] = said[path]
    for (index, value) in type.value.enumerated() {
      comments["\(name).\(value.name)"] = said[path + [2, Int32(index)]]
    }
  }

  /// `.terrane.v1.Dataset`, as descriptors have it, without the first point.
  static func full(_ name: String) -> String { name.hasPrefix(".") ? String(name.dropFirst()) : name }

  /// Of all services, in their order.
  public var allMethods: [Method] { services.flatMap { methods[$0] ?? [] } }

  // MARK: Looking up

  /// A method by its full name, or by as much of its end as names no other: `GetDataset`, `DatasetService/GetDataset`.
  public func method(_ text: String) throws(CommandLineError) -> Method {
    let all = allMethods
    let wanted = text.replacingOccurrences(of: ".", with: "/").split(separator: "/")
    let found = all.filter { method in
      method.name == text
        || (!wanted.isEmpty
          && method.name.replacingOccurrences(of: ".", with: "/").split(separator: "/").suffix(wanted.count)
            == wanted[...])
    }
    if found.count == 1 { return found[0] }
    let shown = TerminalText.sanitised(text)
    throw CommandLineError(
      .badRequest, "INVALID_ARGUMENT",
      found.isEmpty ? "The server has no method \"\(shown)\"." : "\"\(shown)\" names \(found.count) methods.",
      remedy: found.isEmpty
        ? "List them with  terrane services." : "Say which: \(found.map(\.name).joined(separator: ", ")).")
  }

  /// The word of an enum's value in JSON: lower case, without the type's prefix.
  static func word(_ value: String, of type: String) -> String {
    var prefix = ""
    for (index, character) in (type.split(separator: ".").last ?? "").enumerated() {
      if character.isUppercase, index > 0 { prefix += "_" }
      prefix += character.uppercased()
    }
    let rest = value.dropFirst(prefix.count + 1)
    return (value.hasPrefix(prefix + "_") && rest.first?.isNumber == false ? String(rest) : value).lowercased()
  }
}
