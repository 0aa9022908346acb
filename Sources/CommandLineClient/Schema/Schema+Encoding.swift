internal import Foundation
internal import ProtobufFacade
internal import SwiftProtobuf

extension Schema {
  /// A message's protobuf form out of JSON: the schema's field names, enums as lower-case words or numbers, bytes as hex,
  /// timestamps as RFC 3339 text. Throws where a member or value does not fit, and says which.
  public func encode(_ json: String, as message: String) throws(CommandLineError) -> [UInt8] {
    let value: Any
    do { value = try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed) } catch {
      throw Self.refused("", "the request is not JSON")
    }
    return try encode(value, message, at: "")
  }

  private static func refused(_ place: String, _ what: String) -> CommandLineError {
    CommandLineError(
      .badRequest, "INVALID_ARGUMENT", TerminalText.sanitised(place.isEmpty ? "\(what)." : "\(place): \(what)."),
      remedy: "See what it takes with  terrane describe MESSAGE.")
  }

  private func encode(_ value: Any, _ name: String, at place: String) throws(CommandLineError) -> [UInt8] {
    if let text = value as? String, ["google.protobuf.Timestamp", "google.protobuf.Duration"].contains(name) {
      return try Self.time(text, name, place)
    }
    guard let members = value as? [String: Any] else { throw Self.refused(place, "an object is expected") }
    guard let message = messages[name] else { throw Self.refused(place, "the schema lacks \(name)") }
    var bytes: [UInt8] = []
    var unknown = Set(members.keys)
    for field in message.field.sorted(by: { $0.number < $1.number }) {
      guard let given = members[field.name] else { continue }
      unknown.remove(field.name)
      if given is NSNull { continue }
      let here = place.isEmpty ? field.name : "\(place).\(field.name)"
      if let entry = entry(field) {
        guard let map = given as? [String: Any] else { throw Self.refused(here, "an object is expected") }
        for key in map.keys.sorted() {
          var inner = try encode(key, entry.field[0], at: here)
          if let value = map[key] { inner += try encode(value, entry.field[1], at: "\(here).\(key)") }
          Self.append(Self.tag(field.number, 2), inner, to: &bytes)
        }
      } else if field.label == .repeated {
        guard let elements = given as? [Any] else { throw Self.refused(here, "an array is expected") }
        for (index, element) in elements.enumerated() { bytes += try encode(element, field, at: "\(here)[\(index)]") }
      } else {
        bytes += try encode(given, field, at: here)
      }
    }
    if let stranger = unknown.sorted().first {
      throw Self.refused(place, "\(name) has no field \"\(stranger)\"")
    }
    return bytes
  }

  /// One value with its tag.
  private func encode(_ value: Any, _ field: Field, at place: String) throws(CommandLineError) -> [UInt8] {
    var bytes: [UInt8] = []
    let number = field.number
    switch field.type {
    case .message:
      Self.append(Self.tag(number, 2), try encode(value, Self.full(field.typeName), at: place), to: &bytes)
    case .string:
      guard let text = value as? String else { throw Self.refused(place, "a text is expected") }
      Self.append(Self.tag(number, 2), Array(text.utf8), to: &bytes)
    case .bytes:
      guard let text = value as? String, let raw = Self.bytes(hex: text) else {
        throw Self.refused(place, "bytes are written as hex")
      }
      Self.append(Self.tag(number, 2), raw, to: &bytes)
    case .enum:
      bytes += Self.tag(number, 0) + Self.varint(UInt64(bitPattern: Int64(try enumeration(value, field, place))))
    case .bool:
      // A map's key is a text in JSON, whatever its type.
      guard let flag = isBoolean(value) ? value as? Bool : (value as? String).flatMap({ Bool($0) }) else {
        throw Self.refused(place, "true or false is expected")
      }
      bytes += Self.tag(number, 0) + [flag ? 1 : 0]
    case .double, .float:
      guard let real = Self.real(value) else { throw Self.refused(place, "a number is expected") }
      if field.type == .double {
        bytes += Self.tag(number, 1) + Self.littleEndian(real.bitPattern)
      } else {
        bytes += Self.tag(number, 5) + Self.littleEndian(Float(real).bitPattern)
      }
    default:
      bytes += try integer(value, field, place)
    }
    return bytes
  }

  private func integer(_ value: Any, _ field: Field, _ place: String) throws(CommandLineError) -> [UInt8] {
    let isUnsigned = [.uint32, .uint64, .fixed32, .fixed64].contains(field.type)
    let isNarrow = [.int32, .uint32, .sint32, .fixed32, .sfixed32].contains(field.type)
    let text = (value as? String) ?? (isBoolean(value) ? "" : (value as? NSNumber)?.stringValue ?? "")
    let (signed, unsigned) = (Int64(text), UInt64(text))
    let fits =
      isUnsigned
      ? unsigned.map { !isNarrow || $0 <= UInt64(UInt32.max) } ?? false
      : signed.map { !isNarrow || Int32(exactly: $0) != nil } ?? false
    guard fits else {
      throw Self.refused(place, "a whole number of type \(field.type) is expected")
    }
    let bits = isUnsigned ? unsigned ?? 0 : UInt64(bitPattern: signed ?? 0)
    switch field.type {
    case .sint32, .sint64:
      let number = signed ?? 0
      return Self.tag(field.number, 0) + Self.varint(UInt64(bitPattern: (number << 1) ^ (number >> 63)))
    case .fixed64, .sfixed64: return Self.tag(field.number, 1) + Self.littleEndian(bits)
    case .fixed32, .sfixed32: return Self.tag(field.number, 5) + Self.littleEndian(UInt32(truncatingIfNeeded: bits))
    default: return Self.tag(field.number, 0) + Self.varint(bits)
    }
  }

  private func enumeration(_ value: Any, _ field: Field, _ place: String) throws(CommandLineError) -> Int32 {
    let name = Self.full(field.typeName)
    if let number = value as? NSNumber, !isBoolean(value), let exact = Int32(exactly: number.int64Value) {
      return exact
    }
    let values = enums[name]?.value ?? []
    if let word = value as? String,
      let found = values.first(where: { Self.word($0.name, of: name) == word.lowercased() || $0.name == word })
    {
      return found.number
    }
    throw Self.refused(
      place, "one of \(values.map { Self.word($0.name, of: name) }.joined(separator: ", ")) is expected")
  }

  // MARK: The wire

  static func varint(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  private static func tag(_ number: Int32, _ wireType: UInt64) -> [UInt8] { varint(UInt64(number) << 3 | wireType) }

  private static func append(_ tag: [UInt8], _ body: [UInt8], to bytes: inout [UInt8]) {
    bytes += tag + varint(UInt64(body.count)) + body
  }

  private static func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  private static func real(_ value: Any) -> Double? {
    if let text = value as? String { return ["NaN": .nan, "Infinity": .infinity, "-Infinity": -.infinity][text] }
    return isBoolean(value) ? nil : (value as? NSNumber)?.doubleValue
  }

  private static func bytes(hex text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).reduce(into: Optional([UInt8]())) { bytes, place in
      let pair = String(decoding: digits[place..<place + 2], as: UTF8.self)
      guard let byte = UInt8(pair, radix: 16), !pair.hasPrefix("+") else {
        bytes = nil
        return
      }
      bytes?.append(byte)
    }
  }

  /// RFC 3339, with or without decimals; of a duration seconds, as `1.5s`.
  private static func time(_ text: String, _ name: String, _ place: String) throws(CommandLineError) -> [UInt8] {
    let quoted = JSONValue.string(text).text
    do {
      return name == "google.protobuf.Duration"
        ? try Google_Protobuf_Duration(jsonString: quoted).serializedBytes()
        : try Google_Protobuf_Timestamp(jsonString: quoted).serializedBytes()
    } catch {
      let example =
        name == "google.protobuf.Duration" ? "a duration such as 1.5s" : "a time such as 2026-11-29T12:00:00Z"
      throw refused(place, "\(example) is expected")
    }
  }
}

/// Whether a value out of JSON was `true` or `false`: Foundation gives those and numbers the same class.
private func isBoolean(_ value: Any) -> Bool {
  (value as? NSNumber).map { String(cString: $0.objCType) == "c" } ?? false
}
