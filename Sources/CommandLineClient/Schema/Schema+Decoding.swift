internal import FramedMessages
public import ProtobufFacade
internal import SwiftProtobuf

extension Schema {
  /// A message as JSON, in the mapping that every command of this program prints: the schema's field names, scalars also at
  /// their defaults, enums as words, bytes as hex; `printed` makes strings of uint64s. Throws where the bytes are no such message.
  public func decode(_ bytes: [UInt8], as message: String) throws(CommandLineError) -> JSONValue {
    try decode(bytes[...], message, depth: 0)
  }

  private static let deepest = 100

  private static func broken(_ message: String) -> CommandLineError {
    CommandLineError(.unreachable, "INTERNAL", "The server's answer is no \(message).")
  }

  private func decode(_ bytes: ArraySlice<UInt8>, _ name: String, depth: Int) throws(CommandLineError) -> JSONValue {
    guard depth < Self.deepest, let message = messages[name] else { throw Self.broken(name) }
    var reader = WireReader(bytes)
    if name == "google.protobuf.Timestamp" {
      guard let time = try? ProtobufTimestamp(protobuf: Array(bytes)) else { throw Self.broken(name) }
      return time.jsonObject()
    }
    if name == "google.protobuf.Duration" {
      guard let length = try? ProtobufDuration(protobuf: Array(bytes)) else { throw Self.broken(name) }
      return length.jsonObject()
    }
    var found: [Int32: [WireReader.Value]] = [:]
    while !reader.isAtEnd {
      guard let (number, value) = reader.next() else { throw Self.broken(name) }
      found[number, default: []].append(value)
    }
    var members: [JSONValue.Member] = []
    for field in message.field {
      let values = found[field.number] ?? []
      if let entry = entry(field) {
        members.append(
          .init(
            field.name,
            .object(
              try values.map { value throws(CommandLineError) in
                try self.member(value, entry, name, depth)
              }.sorted { $0.name < $1.name })))
      } else if field.label == .repeated {
        var elements: [JSONValue] = []
        for value in values {
          for single in try Self.unpacked(value, field, name) { elements.append(try json(single, field, name, depth)) }
        }
        members.append(.init(field.name, .array(elements)))
      } else if let last = values.last {
        members.append(.init(field.name, try json(last, field, name, depth)))
      } else if field.type != .message, !field.hasOneofIndex {
        members.append(.init(field.name, self.absent(field)))
      }
    }
    return .object(members)
  }

  private func member(
    _ value: WireReader.Value, _ entry: Message, _ name: String, _ depth: Int
  ) throws(CommandLineError) -> JSONValue.Member {
    guard case .bytes(let bytes) = value, case .object(let members) = try decode(bytes, entry, depth: depth + 1) else {
      throw Self.broken(name)
    }
    let key = members.first { $0.name == "key" }?.value ?? .string("")
    let text = if case .string(let text) = key { text } else { key.text }
    return .init(text, members.first { $0.name == "value" }?.value ?? .object([]))
  }

  /// A map's entry, whose message is nested and has no name of its own here.
  private func decode(_ bytes: ArraySlice<UInt8>, _ entry: Message, depth: Int) throws(CommandLineError) -> JSONValue {
    var reader = WireReader(bytes)
    var members = entry.field.filter { $0.type != .message }.map { JSONValue.Member($0.name, absent($0)) }
    while !reader.isAtEnd {
      guard let (number, value) = reader.next() else { throw Self.broken(entry.name) }
      guard let field = entry.field.first(where: { $0.number == number }) else { continue }
      members.removeAll { $0.name == field.name }
      members.append(.init(field.name, try json(value, field, entry.name, depth)))
    }
    return .object(members)
  }

  private func absent(_ field: Field) -> JSONValue {
    switch field.type {
    case .string, .bytes: .string("")
    case .bool: .bool(false)
    case .double, .float: .number(0)
    case .enum: word(0, field)
    default: .integer(0)
    }
  }

  private func word(_ number: Int32, _ field: Field) -> JSONValue {
    let name = Self.full(field.typeName)
    let value = enums[name]?.value.first { $0.number == number }
    return value.map { .string(Self.word($0.name, of: name)) } ?? .integer(Int64(number))
  }

  private func json(
    _ value: WireReader.Value, _ field: Field, _ name: String, _ depth: Int
  ) throws(CommandLineError) -> JSONValue {
    switch (field.type, value) {
    case (.message, .bytes(let bytes)): return try decode(bytes, Self.full(field.typeName), depth: depth + 1)
    case (.string, .bytes(let bytes)): return .string(String(decoding: bytes, as: UTF8.self))
    case (.bytes, .bytes(let bytes)): return JSONValue(Array(bytes))
    case (.bool, .varint(let bits)): return .bool(bits != 0)
    case (.enum, .varint(let bits)): return word(Int32(truncatingIfNeeded: bits), field)
    case (.int32, .varint(let bits)): return .integer(Int64(Int32(truncatingIfNeeded: bits)))
    case (.int64, .varint(let bits)): return .integer(Int64(bitPattern: bits))
    case (.uint32, .varint(let bits)): return .integer(Int64(UInt32(truncatingIfNeeded: bits)))
    case (.uint64, .varint(let bits)), (.fixed64, .fixed64(let bits)): return .unsigned(bits)
    case (.sint32, .varint(let bits)), (.sint64, .varint(let bits)):
      return .integer(Int64(bits >> 1) ^ -Int64(bits & 1))
    case (.sfixed64, .fixed64(let bits)): return .integer(Int64(bitPattern: bits))
    case (.double, .fixed64(let bits)): return .number(Double(bitPattern: bits))
    case (.fixed32, .fixed32(let bits)): return .integer(Int64(bits))
    case (.sfixed32, .fixed32(let bits)): return .integer(Int64(Int32(bitPattern: bits)))
    case (.float, .fixed32(let bits)): return JSONValue(Float(bitPattern: bits))
    default: throw Self.broken(name)
    }
  }

  /// The values of a repeated field, which come one by one or packed together.
  private static func unpacked(
    _ value: WireReader.Value, _ field: Field, _ name: String
  ) throws(CommandLineError) -> [WireReader.Value] {
    guard case .bytes(let bytes) = value, ![.message, .string, .bytes].contains(field.type) else { return [value] }
    var reader = WireReader(bytes)
    var values: [WireReader.Value] = []
    while !reader.isAtEnd {
      let next: WireReader.Value? =
        switch field.type {
        case .double, .fixed64, .sfixed64: reader.fixed64()
        case .float, .fixed32, .sfixed32: reader.fixed32()
        default: reader.varint().map { .varint($0) }
        }
      guard let next else { throw broken(name) }
      values.append(next)
    }
    return values
  }
}

/// Reads protobuf's wire format.
private struct WireReader {
  enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case fixed32(UInt32)
    case bytes(ArraySlice<UInt8>)
  }

  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  var isAtEnd: Bool { rest.isEmpty }

  /// The next field; nil where the bytes are cut or of no wire type that proto3 has.
  mutating func next() -> (Int32, Value)? {
    guard let tag = varint(), let number = Int32(exactly: tag >> 3), number > 0 else { return nil }
    let value: Value? =
      switch tag & 7 {
      case 0: varint().map { .varint($0) }
      case 1: fixed64()
      case 2: bytes()
      case 5: fixed32()
      default: nil
      }
    return value.map { (number, $0) }
  }

  mutating func varint() -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      if shift < 64 { value |= UInt64(byte & 0x7F) << shift }
      if byte < 0x80 { return value }
    }
    return nil
  }

  mutating func fixed64() -> Value? { number(8).map { .fixed64($0) } }
  mutating func fixed32() -> Value? { number(4).map { .fixed32(UInt32($0)) } }

  private mutating func number(_ count: Int) -> UInt64? {
    guard rest.count >= count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private mutating func bytes() -> Value? {
    guard let count = varint().flatMap({ Int(exactly: $0) }), rest.count >= count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return .bytes(rest.prefix(count))
  }
}
