
.
xPlaceholder*
dtype0
*
shape:

z
LogicalNotx"ª