/// How fields look in Swift, and how their values cross to C and back.
enum SwiftTypes {
  static func type(_ type: SchemaType) -> String {
    switch type {
    case .scalar(let scalar): self.scalar(scalar)
    case .enumeration(let name), .message(let name): SwiftNames.type(name)
    }
  }

  static func scalar(_ scalar: SchemaScalar) -> String {
    switch scalar {
    case .double: "Double"
    case .float: "Float"
    case .int32, .sint32, .sfixed32: "Int32"
    case .int64, .sint64, .sfixed64: "Int64"
    case .uint32, .fixed32: "UInt32"
    case .uint64, .fixed64: "UInt64"
    case .bool: "Bool"
    case .string: "String"
    case .bytes: "[UInt8]"
    }
  }

  /// The type of a field's property.
  static func property(_ field: SchemaField) -> String {
    let value = type(field.type)
    switch field.shape {
    case .singular:
      if case .message = field.type { return value + "?" }
      return value
    case .optional: return value + "?"
    case .repeated: return "[\(value)]"
    case .map(let key): return "[\(scalar(key)): \(value)]"
    case .member: return value
    }
  }

  static func defaultValue(_ field: SchemaField) -> String {
    switch field.shape {
    case .repeated: return "[]"
    case .map: return "[:]"
    case .optional, .member: return "nil"
    case .singular:
      switch field.type {
      case .message: return "nil"
      case .enumeration: return ".init(rawValue: 0)"
      case .scalar(.string): return "\"\""
      case .scalar(.bytes): return "[]"
      case .scalar(.bool): return "false"
      case .scalar: return "0"
      }
    }
  }

  /// Swift's value of a C value; `value` is a non-NULL pointer where the type is a message.
  static func fromC(_ value: String, _ type: SchemaType) -> String {
    switch type {
    case .scalar(.string): "String(protobuf: \(value))"
    case .scalar(.bytes): "[UInt8](protobuf: \(value))"
    case .scalar(.bool): "\(value) != 0"
    case .scalar: value
    case .enumeration(let name): "\(SwiftNames.type(name))(rawValue: Int32(truncatingIfNeeded: \(value).rawValue))"
    case .message(let name): "\(SwiftNames.type(name))(copying: \(value))"
    }
  }

  /// C's value of a Swift value, in the arena where it needs memory.
  static func toC(_ value: String, _ type: SchemaType) -> String {
    switch type {
    case .scalar(.string): "arena.string(\(value))"
    case .scalar(.bytes): "arena.bytes(\(value))"
    case .scalar(.bool): "\(value) ? 1 : 0"
    case .scalar: value
    case .enumeration: ".init(rawValue: .init(truncatingIfNeeded: \(value).rawValue))"
    case .message: "arena.message(\(value))"
    }
  }
}
