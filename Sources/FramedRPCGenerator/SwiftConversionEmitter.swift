/// Emits what makes a generated struct a message: decoding, encoding and the JSON mapping.
struct SwiftConversionEmitter {
  var message: SchemaMessage

  private var type: String { SwiftNames.type(message.name) }
  private var cFunction: String { CNames.function(message.name.full) }

  func emit(into text: inout SourceText) {
    text.block("extension \(type) {") { text in
      text.line("public static var protobufName: String { \"\(message.name.full)\" }")
      text.line()
      text.block(
        "public init(protobuf bytes: UnsafeRawBufferPointer, limits: DecodingLimits) throws(ProtobufDecodingError) {"
      ) { text in
        text.line("self.init()")
        text.line("var isRead = false")
        text.block("try unpackProtobuf(Self.guardTable, bytes, limits) { c in") { text in
          text.line("self = Self(copying: c.assumingMemoryBound(to: CMessage.self))")
          text.line("isRead = true")
        }
        text.line("guard isRead else { throw refusedByProtobufC(Self.protobufName) }")
      }
      text.line()
      text.block("public func protobufBytes() -> [UInt8] {") { text in
        text.line("var bytes: [UInt8] = []")
        text.block("withProtobufArena { arena in") { text in
          text.lines([
            "let c = arena.new(CMessage.self)", "Self.initialize(c)", "store(in: c, arena: arena)",
            "bytes = packProtobuf(UnsafeRawPointer(c))",
          ])
        }
        text.line("return bytes")
      }
      text.line()
      text.block(
        "public func encodeProtobuf(into reserve: (_ size: Int) -> UnsafeMutableRawBufferPointer) {"
      ) { text in
        text.block("withProtobufArena { arena in") { text in
          text.lines([
            "let c = arena.new(CMessage.self)", "Self.initialize(c)", "store(in: c, arena: arena)",
            "packProtobuf(UnsafeRawPointer(c), into: reserve)",
          ])
        }
      }
      text.line()
      json(into: &text)
    }
    text.line()
    text.block("extension \(type): ProtobufCBacked {") { text in
      text.line("package typealias CMessage = \(CNames.type(message.name.full))")
      text.line()
      text.line("package static var guardTable: UnsafePointer<ProtobufGuardMessage> { \(cFunction)__guard() }")
      text.line()
      text.line("package static func initialize(_ c: UnsafeMutablePointer<CMessage>) { \(cFunction)__init(c) }")
      text.line()
      text.block("package init(copying c: UnsafePointer<CMessage>) {") { text in
        for field in message.fields { decode(field, into: &text) }
        for (index, oneof) in message.oneofs.enumerated() { decode(oneof, index, into: &text) }
      }
      text.line()
      text.block("package func store(in c: UnsafeMutablePointer<CMessage>, arena: ProtobufEncodingArena) {") { text in
        for field in message.fields { encode(field, into: &text) }
        for (index, oneof) in message.oneofs.enumerated() { encode(oneof, index, into: &text) }
      }
    }
  }

  private func member(_ name: String) -> String { "c.pointee." + SwiftNames.cMember(CNames.member(name)) }
  private func count(_ name: String) -> String { "c.pointee.n_" + CNames.member(name) }
  private func presence(_ name: String) -> String { "c.pointee." + CNames.oneofCase("_" + name) }

  // MARK: From C

  private func decode(_ field: SchemaField, into text: inout SourceText) {
    let name = SwiftNames.property(field.name)
    let c = member(field.name)
    switch field.shape {
    case .member: return
    case .singular:
      if case .message = field.type {
        text.line("if let value = \(c) { self.\(name) = \(SwiftTypes.fromC("value", field.type)) }")
      } else {
        text.line("self.\(name) = \(SwiftTypes.fromC(c, field.type))")
      }
    case .optional:
      text.line("if \(presence(field.name)).rawValue != 0 { self.\(name) = \(SwiftTypes.fromC(c, field.type)) }")
    case .repeated:
      if case .message(let type) = field.type {
        let swift = SwiftNames.type(type)
        text.block("self.\(name) = protobufArray(\(c), \(count(field.name))) { element in") { text in
          text.line("element.map { \(swift)(copying: $0) } ?? \(swift)()")
        }
      } else {
        let value = SwiftTypes.fromC("$0", field.type)
        text.line("self.\(name) = protobufArray(\(c), \(count(field.name))) { \(value) }")
      }
    case .map(let key):
      text.block("for index in 0..<\(count(field.name)) {") { text in
        text.line("guard let entry = \(c)[index] else { continue }")
        let keyValue = SwiftTypes.fromC("entry.pointee.key", .scalar(key))
        if case .message(let type) = field.type {
          let swift = SwiftNames.type(type)
          text.line("let value = entry.pointee.value.map { \(swift)(copying: $0) } ?? \(swift)()")
          text.line("self.\(name)[\(keyValue)] = value")
        } else {
          text.line("self.\(name)[\(keyValue)] = \(SwiftTypes.fromC("entry.pointee.value", field.type))")
        }
      }
    }
  }

  private func decode(_ oneof: SchemaOneof, _ index: Int, into text: inout SourceText) {
    let name = SwiftNames.property(oneof.name)
    text.cases("switch c.pointee.\(CNames.oneofCase(oneof.name)).rawValue {") { text in
      for field in message.fields where field.shape == .member(oneof: index) {
        let value: String
        if case .message(let type) = field.type {
          // The tag is set, so the pointer is: unpacking stores both.
          value = "\(member(field.name)).map { \(SwiftNames.type(type))(copying: $0) } ?? \(SwiftNames.type(type))()"
        } else {
          value = SwiftTypes.fromC(member(field.name), field.type)
        }
        text.line("case \(field.number): self.\(name) = .\(SwiftNames.bareProperty(field.name))(\(value))")
      }
      text.line("default: break")
    }
  }

  // MARK: To C

  private func encode(_ field: SchemaField, into text: inout SourceText) {
    let name = SwiftNames.property(field.name)
    let c = member(field.name)
    switch field.shape {
    case .member: return
    case .singular:
      switch field.type {
      case .message: text.line("if let value = self.\(name) { \(c) = arena.message(value) }")
      case .scalar(.float), .scalar(.double):
        // By bits: -0.0 is a value, 0.0 is the default.
        text.block("if self.\(name).bitPattern != 0 {") { text in
          text.line("\(presence(field.name)) = .init(rawValue: \(field.number))")
          text.line("\(c) = self.\(name)")
        }
      default: text.line("\(c) = \(SwiftTypes.toC("self.\(name)", field.type))")
      }
    case .optional:
      text.block("if let value = self.\(name) {") { text in
        text.line("\(presence(field.name)) = .init(rawValue: \(field.number))")
        text.line("\(c) = \(SwiftTypes.toC("value", field.type))")
      }
    case .repeated:
      text.block("if !self.\(name).isEmpty {") { text in
        text.line("\(count(field.name)) = self.\(name).count")
        text.line("\(c) = arena.array(self.\(name)) { \(SwiftTypes.toC("$0", field.type)) }")
      }
    case .map(let key):
      let entry = message.name.full + "." + CNames.entry(ofMap: field.name)
      text.block("if !self.\(name).isEmpty {") { text in
        text.line("\(count(field.name)) = self.\(name).count")
        text.block("\(c) = arena.array(protobufSorted(self.\(name))) { key, value in") { text in
          text.line("let entry = arena.new(\(CNames.type(entry)).self)")
          text.line("\(CNames.function(entry))__init(entry)")
          text.line("entry.pointee._key_case = .init(rawValue: 1)")
          text.line("entry.pointee.key = \(SwiftTypes.toC("key", .scalar(key)))")
          if case .message = field.type {} else { text.line("entry.pointee._value_case = .init(rawValue: 2)") }
          text.line("entry.pointee.value = \(SwiftTypes.toC("value", field.type))")
          text.line("return entry")
        }
      }
    }
  }

  private func encode(_ oneof: SchemaOneof, _ index: Int, into text: inout SourceText) {
    text.cases("switch self.\(SwiftNames.property(oneof.name)) {") { text in
      for field in message.fields where field.shape == .member(oneof: index) {
        text.line("case .\(SwiftNames.bareProperty(field.name))(let value):")
        text.indented { text in
          text.line("c.pointee.\(CNames.oneofCase(oneof.name)) = .init(rawValue: \(field.number))")
          text.line("\(member(field.name)) = \(SwiftTypes.toC("value", field.type))")
        }
      }
      text.line("case nil: break")
    }
  }

  // MARK: JSON

  private func json(into text: inout SourceText) {
    // The two well-known types are one string each; FramedMessages writes it by hand.
    if ["google.protobuf.Timestamp", "google.protobuf.Duration"].contains(message.name.full) {
      text.line("public func jsonObject() -> JSONValue { .string(jsonText) }")
      return
    }
    text.block("public func jsonObject() -> JSONValue {") { text in
      if message.fields.isEmpty {
        text.line(".object([])")
        return
      }
      text.line("var members: [JSONValue.Member] = []")
      for field in message.fields { json(field, into: &text) }
      text.line("return .object(members)")
    }
  }

  private func json(_ field: SchemaField, into text: inout SourceText) {
    let name = SwiftNames.property(field.name)
    func add(_ value: String) -> String { "members.append(.init(\"\(field.name)\", \(value)))" }
    switch field.shape {
    case .singular where !isMessage(field.type): text.line(add("JSONValue(self.\(name))"))
    case .singular, .optional: text.line("if let value = self.\(name) { \(add("JSONValue(value)")) }")
    case .repeated: text.line(add(".array(self.\(name).map { JSONValue($0) })"))
    case .map:
      text.line(add(".object(protobufSorted(self.\(name)).map { .init(String($0.key), JSONValue($0.value)) })"))
    case .member(let index):
      let oneof = SwiftNames.property(message.oneofs[index].name)
      text.line(
        "if case .\(SwiftNames.bareProperty(field.name))(let value) = self.\(oneof) { \(add("JSONValue(value)")) }")
    }
  }

  private func isMessage(_ type: SchemaType) -> Bool {
    if case .message = type { true } else { false }
  }
}
