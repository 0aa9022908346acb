#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// JSON in and out of text for the task protocol and for parameters and results kept as JSON in the database.
public enum JSONText {
  /// `value` as compact JSON, keys sorted, slashes left alone.
  public static func encode(_ value: some Encodable) throws(TaskProtocolError) -> String {
    String(decoding: try encodeBytes(value), as: UTF8.self)
  }

  /// Reads a value from JSON text.
  public static func decode<T: Decodable>(_ type: T.Type, from text: String) throws(TaskProtocolError) -> T {
    try decode(type, fromBytes: Array(text.utf8))
  }

  static func encodeBytes(_ value: some Encodable) throws(TaskProtocolError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do { return Array(try encoder.encode(value)) } catch { throw .notEncodable("\(error)") }
  }

  static func decode<T: Decodable>(_ type: T.Type, fromBytes bytes: [UInt8]) throws(TaskProtocolError) -> T {
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch { throw .malformed("\(error)") }
  }
}

/// Any JSON value: lets opaque parameters and results travel nested in a protocol line without this module knowing them.
enum JSONValue: Codable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .null
    } else if let string = try? value.decode(String.self) {
      self = .string(string)
    } else if let integer = try? value.decode(Int64.self) {
      self = .integer(integer)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else if let bool = try? value.decode(Bool.self) {
      self = .bool(bool)
    } else if let object = try? value.decode([String: JSONValue].self) {
      self = .object(object)
    } else {
      self = .array(try value.decode([JSONValue].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .null: try value.encodeNil()
    case .bool(let bool): try value.encode(bool)
    case .integer(let integer): try value.encode(integer)
    case .number(let number): try value.encode(number)
    case .string(let string): try value.encode(string)
    case .array(let array): try value.encode(array)
    case .object(let object): try value.encode(object)
    }
  }
}
