/// Emits a Swift enum for an enum of the schema.
struct SwiftEnumEmitter {
  func emit(_ type: SchemaEnum, into text: inout SourceText) {
    let values = type.values.map { value in
      (
        name: SwiftNames.enumCase(value.name, in: type.name), number: value.number,
        word: SwiftNames.jsonWord(value.name, in: type.name), documentation: value.documentation
      )
    }
    text.documentation(type.documentation)
    text.block("public enum \(SwiftNames.declaration(type.name)): ProtobufEnum {") { text in
      for value in values {
        text.documentation(value.documentation)
        text.line("case \(value.name)")
      }
      text.documentation(["A number this version of the schema does not name."])
      text.line("case unrecognized(Int32)")
      text.line()
      text.block("public init(rawValue: Int32) {") { text in
        text.cases("switch rawValue {") { text in
          for value in values { text.line("case \(value.number): self = .\(value.name)") }
          text.line("default: self = .unrecognized(rawValue)")
        }
      }
      text.line()
      text.block("public var rawValue: Int32 {") { text in
        text.cases("switch self {") { text in
          for value in values { text.line("case .\(value.name): \(value.number)") }
          text.line("case .unrecognized(let number): number")
        }
      }
      text.line()
      text.block("public var jsonName: String? {") { text in
        text.cases("switch self {") { text in
          for value in values { text.line("case .\(value.name): \"\(value.word)\"") }
          text.line("case .unrecognized: nil")
        }
      }
      text.line()
      text.block("public static var knownCases: [Self] {") { text in
        text.line("[" + values.map { ".\($0.name)" }.joined(separator: ", ") + "]")
      }
    }
  }
}
