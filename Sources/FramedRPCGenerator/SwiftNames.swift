/// The names of generated Swift declarations.
enum SwiftNames {
  /// `dataset_id` → `datasetID`; words that are acronyms stay whole.
  static func property(_ name: String) -> String { escape(bareProperty(name)) }

  /// As ``property(_:)``, usable where a keyword needs no backticks (labels, string pieces).
  static func bareProperty(_ name: String) -> String {
    let words = words(name)
    let name = words.enumerated().map { index, word in
      if index == 0 { return word }
      return acronyms.contains(word) ? word.uppercased() : word.prefix(1).uppercased() + word.dropFirst()
    }.joined()
    return name == "self" ? "selfValue" : name  // `x.self` is x, backticks or not
  }

  /// The lower-case words of `dataset_id`, `datasetId` or `DATASET_ID`.
  private static func words(_ name: String) -> [String] {
    var words: [String] = []
    var previous: Character = "_"
    for character in name {
      if character != "_" {
        let begins = previous == "_" || (character.isUppercase && (previous.isLowercase || previous.isNumber))
        if begins { words.append("") }
        words[words.count - 1] += character.lowercased()
      }
      previous = character
    }
    return words
  }

  /// `source_kind` → `SourceKind`
  static func oneof(_ name: String, in message: SchemaMessage) -> String {
    let candidate = words(name).map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    let taken = message.messages.map(\.name.path.last) + message.enums.map(\.name.path.last)
    return taken.contains(candidate) || reservedTypes.contains(candidate) ? candidate + "Choice" : candidate
  }

  /// `terrane.v1.DatasetSpec.Visibility` → `DatasetSpec.Visibility`. Types of google.protobuf bear the prefix Protobuf: Duration is Swift's.
  static func type(_ name: SchemaTypeName) -> String {
    var path = name.path.map { reservedTypes.contains($0) ? $0 + "Message" : $0 }
    if name.package == "google.protobuf" { path[0] = "Protobuf" + path[0] }
    return path.joined(separator: ".")
  }

  /// The name of the declaration alone.
  static func declaration(_ name: SchemaTypeName) -> String {
    String(type(name).split(separator: ".").last ?? "")
  }

  /// `STATUS_INPUT_REQUIRED` of `Status` → `["INPUT", "REQUIRED"]`
  static func words(ofValue value: String, in type: SchemaTypeName) -> [String] {
    let prefix = upperSnake(type.path.last ?? "") + "_"
    var rest = Substring(value)
    if rest.hasPrefix(prefix), let next = rest.dropFirst(prefix.count).first, !next.isNumber {
      rest = rest.dropFirst(prefix.count)
    }
    return rest.split(separator: "_").map(String.init)
  }

  static func enumCase(_ value: String, in type: SchemaTypeName) -> String {
    let name = bareProperty(words(ofValue: value, in: type).joined(separator: "_"))
    return name == "unrecognized" ? "unrecognizedValue" : escape(name)
  }

  /// The word in JSON: lower case, without the type's prefix.
  static func jsonWord(_ value: String, in type: SchemaTypeName) -> String {
    words(ofValue: value, in: type).joined(separator: "_").lowercased()
  }

  /// A member of an imported C struct.
  static func cMember(_ name: String) -> String {
    ["init", "self", "Type", "Protocol"].contains(name) ? "`\(name)`" : name
  }

  static func escape(_ name: String) -> String { keywords.contains(name) ? "`\(name)`" : name }

  private static func upperSnake(_ name: String) -> String {
    var result = ""
    var previous: Character?
    let characters = Array(name)
    for (index, character) in characters.enumerated() {
      if character.isUppercase, let before = previous {
        let nextIsLower = index + 1 < characters.count && characters[index + 1].isLowercase
        if !before.isUppercase || nextIsLower { result += "_" }
      }
      result += character.uppercased()
      previous = character
    }
    return result
  }

  private static let acronyms: Set<String> = ["id", "url", "uri", "http", "https"]
  private static let reservedTypes: Set<String> = ["Type", "Protocol", "Self", "Any"]
  private static let keywords: Set<String> = [
    "associatedtype", "class", "deinit", "enum", "extension", "fileprivate", "func", "import", "init", "inout",
    "internal", "let", "open", "operator", "private", "precedencegroup", "protocol", "public", "rethrows", "static",
    "struct", "subscript", "typealias", "var", "break", "case", "catch", "continue", "default", "defer", "do", "else",
    "fallthrough", "for", "guard", "if", "in", "repeat", "return", "throw", "switch", "where", "while", "Any", "as",
    "await", "false", "is", "nil", "self", "Self", "super", "throws", "true", "try",
  ]
}
