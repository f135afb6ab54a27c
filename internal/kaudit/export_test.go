package kaudit

// AppendMessage lets tests speak to the kernel as user space does.
var AppendMessage = appendMessage
