#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// JSON the engine passes on without knowing it: parameters, results. Integers stay integers.
enum OpaqueJSON: Codable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([OpaqueJSON])
  case object([String: OpaqueJSON])

  init(text: String) throws {
    self = try JSONDecoder().decode(OpaqueJSON.self, from: Data(text.utf8))
  }

  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .null
    } else if let bool = try? value.decode(Bool.self) {
      self = .bool(bool)
    } else if let integer = try? value.decode(Int64.self) {
      self = .integer(integer)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else if let string = try? value.decode(String.self) {
      self = .string(string)
    } else if let array = try? value.decode([OpaqueJSON].self) {
      self = .array(array)
    } else {
      self = .object(try value.decode([String: OpaqueJSON].self))
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

  func text() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  subscript(_ member: String) -> OpaqueJSON? {
    if case .object(let members) = self { members[member] } else { nil }
  }
  var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
  var elements: [OpaqueJSON]? { if case .array(let values) = self { values } else { nil } }
}
