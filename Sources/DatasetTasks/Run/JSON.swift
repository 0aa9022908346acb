/// JSON built by hand, for documents whose keys are data.
enum JSON: Encodable, Equatable {
  case null
  case string(String)
  case integer(Int64)
  case number(Double)
  case array([JSON])
  case object([String: JSON])

  func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .null: try value.encodeNil()
    case .string(let string): try value.encode(string)
    case .integer(let integer): try value.encode(integer)
    case .number(let number): try value.encode(number)
    case .array(let array): try value.encode(array)
    case .object(let object): try value.encode(object)
    }
  }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
  init(stringLiteral value: String) { self = .string(value) }
  init(arrayLiteral elements: JSON...) { self = .array(elements) }
  init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(Dictionary(elements, uniquingKeysWith: { _, last in last }))
  }
}
