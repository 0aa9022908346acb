internal import SwiftProtobuf
internal import SwiftProtobufPluginLibrary

/// Reads protoc's descriptors into a ``Schema``.
struct SchemaReader {
  func read(_ files: [FileDescriptor]) throws -> Schema {
    Schema(files: try files.map(read))
  }

  private func read(_ file: FileDescriptor) throws -> SchemaFile {
    SchemaFile(
      path: file.name,
      package: file.package,
      imports: file.dependencies.map(\.name),
      messages: try file.messages.map(read),
      enums: file.enums.map(read),
      services: try file.services.map(read))
  }

  private func read(_ message: Descriptor) throws -> SchemaMessage {
    let oneofs = message.realOneofs
    return SchemaMessage(
      name: name(of: message),
      documentation: documentation(of: message),
      fields: try message.fields.map { try read($0, oneofs: oneofs) },
      oneofs: oneofs.map { SchemaOneof(name: $0.name, documentation: documentation(of: $0)) },
      messages: try message.messages.filter { !$0.options.mapEntry }.map(read),
      enums: message.enums.map(read))
  }

  private func read(_ field: FieldDescriptor, oneofs: [OneofDescriptor]) throws -> SchemaField {
    let shape: SchemaShape
    let type: SchemaType
    if field.isMap, let (key, value) = field.messageType.mapKeyAndValue {
      guard case .scalar(let keyType) = try self.type(of: key) else {
        throw GenerationError("\(field.fullName): not a key type")
      }
      shape = .map(key: keyType)
      type = try self.type(of: value)
    } else {
      type = try self.type(of: field)
      if field.isRepeated {
        shape = .repeated
      } else if let oneof = field.realContainingOneof {
        shape = .member(oneof: oneofs.firstIndex { $0 === oneof } ?? 0)
      } else if case .message = type {
        shape = .singular
      } else {
        // A oneof that is not real is how protoc says `optional`.
        shape = field.containingOneof != nil ? .optional : .singular
      }
    }
    return SchemaField(
      name: field.name, number: Int(field.number), documentation: documentation(of: field), type: type, shape: shape,
      isRecursive: isRecursive(field))
  }

  private func type(of field: FieldDescriptor) throws -> SchemaType {
    switch field.type {
    case .double: .scalar(.double)
    case .float: .scalar(.float)
    case .int32: .scalar(.int32)
    case .int64: .scalar(.int64)
    case .uint32: .scalar(.uint32)
    case .uint64: .scalar(.uint64)
    case .sint32: .scalar(.sint32)
    case .sint64: .scalar(.sint64)
    case .fixed32: .scalar(.fixed32)
    case .fixed64: .scalar(.fixed64)
    case .sfixed32: .scalar(.sfixed32)
    case .sfixed64: .scalar(.sfixed64)
    case .bool: .scalar(.bool)
    case .string: .scalar(.string)
    case .bytes: .scalar(.bytes)
    case .enum: .enumeration(name(of: field.enumType))
    case .message: .message(name(of: field.messageType))
    case .group: throw GenerationError("\(field.fullName): groups are not supported")
    }
  }

  /// Whether the field's message reaches the field's owner again through singular fields.
  private func isRecursive(_ field: FieldDescriptor) -> Bool {
    guard field.type == .message, !field.isRepeated else { return false }
    let target = field.containingType.fullName
    var seen: Set<String> = []
    var open: [Descriptor] = [field.messageType]
    while let message = open.popLast() {
      if message.fullName == target { return true }
      guard seen.insert(message.fullName).inserted else { continue }
      for next in message.fields where next.type == .message && !next.isRepeated { open.append(next.messageType) }
    }
    return false
  }

  private func read(_ type: EnumDescriptor) -> SchemaEnum {
    var numbers: Set<Int32> = []
    return SchemaEnum(
      name: name(of: type),
      documentation: documentation(of: type),
      values: type.values.filter { numbers.insert($0.number).inserted }.map {
        SchemaEnumValue(name: $0.name, number: $0.number, documentation: documentation(of: $0))
      })
  }

  private func read(_ service: ServiceDescriptor) throws -> SchemaService {
    SchemaService(
      fullName: service.fullName,
      name: service.name,
      documentation: documentation(of: service),
      methods: try service.methods.map { method in
        let fullName = "\(service.fullName).\(method.name)"
        guard !method.clientStreaming else { throw GenerationError("\(fullName): client streaming is not supported") }
        var options = try MethodOptionsReader.read(method.options, of: fullName)
        guard method.serverStreaming == (options.stream != .none) else {
          throw GenerationError(
            "\(fullName): a method returns a stream if, and only if, its option stream names a mode")
        }
        if !options.key.isEmpty {
          guard let field = method.outputType.fields.first(where: { $0.name == options.key }), field.type == .string,
            !field.isRepeated
          else {
            throw GenerationError("\(fullName): its option key names no string of \(method.outputType.fullName)")
          }
          options.keyNumber = field.number
        }
        return SchemaMethod(
          name: method.name,
          documentation: documentation(of: method),
          request: name(of: method.inputType),
          response: name(of: method.outputType),
          options: options)
      })
  }

  private func name(of message: Descriptor) -> SchemaTypeName {
    var path = [message.name]
    var outer = message.containingType
    while let next = outer {
      path.insert(next.name, at: 0)
      outer = next.containingType
    }
    return SchemaTypeName(full: message.fullName, path: path, package: message.file.package, file: message.file.name)
  }

  private func name(of type: EnumDescriptor) -> SchemaTypeName {
    let outer = type.containingType.map { name(of: $0).path } ?? []
    return SchemaTypeName(
      full: type.fullName, path: outer + [type.name], package: type.file.package, file: type.file.name)
  }

  private func documentation(of declaration: some ProvidesSourceCodeLocation) -> [String] {
    var lines = declaration.protoSourceComments(commentPrefix: "").split(
      separator: "\n", omittingEmptySubsequences: false
    ).map { line in
      let text = line.hasPrefix(" ") ? line.dropFirst() : line
      return String(text.reversed().drop { $0 == " " }.reversed())
    }
    while lines.last == "" { lines.removeLast() }
    while lines.first == "" { lines.removeFirst() }
    return lines
  }
}
