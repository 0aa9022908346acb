/// A JSON text as a value. Members keep their order.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case unsigned(UInt64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])

  public struct Member: Sendable, Equatable {
    public var name: String
    public var value: JSONValue

    public init(_ name: String, _ value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  public init(_ value: Bool) { self = .bool(value) }
  public init(_ value: Int32) { self = .integer(Int64(value)) }
  public init(_ value: Int64) { self = .integer(value) }
  public init(_ value: UInt32) { self = .integer(Int64(value)) }
  public init(_ value: UInt64) { self = .unsigned(value) }
  public init(_ value: Double) { self = .number(value) }
  /// By its shortest decimal form: 0.1 stays 0.1.
  public init(_ value: Float) { self = .number(Double(value.description) ?? Double(value)) }
  public init(_ value: String) { self = .string(value) }
  /// As lower-case hex.
  public init(_ bytes: [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    self = .string(String(decoding: text, as: UTF8.self))
  }
  /// As its word; as its number where the schema has none.
  public init(_ value: some ProtobufEnum) {
    self = value.jsonName.map { .string($0) } ?? .integer(Int64(value.rawValue))
  }
  public init(_ value: some ProtobufMessage) { self = value.jsonObject() }

  /// The member of an object; nil where there is none, or this is no object.
  public subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// One line, without spaces.
  public var text: String {
    var writer = JSONWriter(indentation: nil)
    writer.write(self, depth: 0)
    return writer.text
  }

  /// Lines, indented by two spaces.
  public var indentedText: String {
    var writer = JSONWriter(indentation: "  ")
    writer.write(self, depth: 0)
    return writer.text
  }
}

private struct JSONWriter {
  var indentation: String?
  var text = ""

  mutating func write(_ value: JSONValue, depth: Int) {
    switch value {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .unsigned(let value): text += String(value)
    case .number(let value): write(value)
    case .string(let value): write(value)
    case .array(let elements):
      write(elements, "[", "]", depth) { writer, element in writer.write(element, depth: depth + 1) }
    case .object(let members):
      write(members, "{", "}", depth) { writer, member in
        writer.write(member.name)
        writer.text += writer.indentation == nil ? ":" : ": "
        writer.write(member.value, depth: depth + 1)
      }
    }
  }

  private mutating func write<Element>(
    _ elements: [Element], _ opening: String, _ closing: String, _ depth: Int,
    _ body: (inout JSONWriter, Element) -> Void
  ) {
    text += opening
    for (index, element) in elements.enumerated() {
      if index > 0 { text += "," }
      newline(depth + 1)
      body(&self, element)
    }
    if !elements.isEmpty { newline(depth) }
    text += closing
  }

  private mutating func newline(_ depth: Int) {
    guard let indentation else { return }
    text += "\n" + String(repeating: indentation, count: depth)
  }

  /// JSON has no NaN and no infinity: they are strings, as in protobuf's own mapping.
  private mutating func write(_ value: Double) {
    if value.isNaN {
      text += "\"NaN\""
    } else if value.isInfinite {
      text += value < 0 ? "\"-Infinity\"" : "\"Infinity\""
    } else {
      let shortest = value.description
      text += shortest.hasSuffix(".0") ? String(shortest.dropLast(2)) : shortest
    }
  }

  private mutating func write(_ value: String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f || scalar.value == 0x2028 || scalar.value == 0x2029:
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
